-- Who of these people has a user name.
-- Parameters: employee_ids (JSON array)
SELECT u.HeldBy
FROM dbo.UserNames AS u
WHERE u.HeldBy IN (SELECT k.value FROM OPENJSON(?) AS k)

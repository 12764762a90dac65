-- A person's name is her former one from now on.
-- Parameters: name_key, employee_id
UPDATE dbo.UserNames
SET ReleasedAt = SYSUTCDATETIME(), HeldBy = CONCAT('=', NameKey)
WHERE NameKey = ? AND HeldBy = ?

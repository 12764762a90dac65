-- Every user name that is known, and whose it is or was.
-- Parameters: none
SELECT
    u.EmployeeId,
    u.UserName,
    u.NameKey,
    CASE WHEN u.HeldBy = u.EmployeeId THEN 1 ELSE 0 END AS is_hers,
    CASE WHEN u.ReleasedAt IS NULL THEN 0 ELSE 1 END AS is_released
FROM dbo.UserNames AS u

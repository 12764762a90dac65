-- The user names that a person has or had, the newest first.
-- Parameters: employee_id
SELECT
    u.UserName,
    u.MailNickname,
    u.GivenAt,
    u.ReleasedAt,
    u.NameKey,
    CASE WHEN u.HeldBy = u.EmployeeId THEN 1 ELSE 0 END AS is_hers
FROM dbo.UserNames AS u
WHERE u.EmployeeId = ?
ORDER BY CASE WHEN u.HeldBy = u.EmployeeId THEN 0 ELSE 1 END, u.ReleasedAt DESC

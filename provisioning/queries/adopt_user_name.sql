-- A name that was kept for nobody in HR turns out to be a person's.
-- Parameters: employee_id, user_name, mail_nickname, employee_id, name_key, employee_id
UPDATE dbo.UserNames
SET EmployeeId = ?, UserName = ?, MailNickname = ?, HeldBy = ?
WHERE
    NameKey = ? AND EmployeeId IS NULL AND ReleasedAt IS NULL
    AND NOT EXISTS (SELECT 1 FROM dbo.UserNames AS u WHERE u.HeldBy = ?)

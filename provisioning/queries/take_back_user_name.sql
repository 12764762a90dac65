-- A former name of a person is hers again.
-- Parameters: former_user_name, name_key, employee_id
UPDATE dbo.UserNames
SET ReleasedAt = NULL, FormerUserName = ?, HeldBy = EmployeeId
WHERE NameKey = ? AND EmployeeId = ?

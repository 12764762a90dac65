-- A person's name turns out to be somebody's who is not in HR: it is kept for nobody.
-- Parameters: name_key, employee_id
UPDATE dbo.UserNames
SET EmployeeId = NULL, FormerUserName = NULL, HeldBy = CONCAT('=', NameKey)
WHERE NameKey = ? AND HeldBy = ?

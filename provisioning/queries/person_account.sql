-- The account that a person got in a target.
-- Parameters: target, employee_id
SELECT
    a.ObjectId,
    a.UserPrincipalName,
    a.Outcome,
    a.ErrorCode,
    a.OutcomeAt
FROM dbo.EmployeeAccounts AS a
WHERE a.Target = ? AND a.EmployeeId = ?

-- The user names that the mapping shows of people who were sent to a target.
-- Parameters: target
SELECT v.{user_name}
FROM dbo.ScimUsers AS v
INNER JOIN provisioning.ledger AS l ON l.employee_id = v.EmployeeId
WHERE l.target = ? AND v.{user_name} IS NOT NULL

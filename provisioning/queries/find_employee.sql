-- An EmployeeId as the mapping spells it.
-- Parameters: employee_id
SELECT v.EmployeeId FROM dbo.ScimUsers AS v WHERE v.EmployeeId = ?

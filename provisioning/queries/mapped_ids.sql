-- EmployeeIds of everybody in the mapping.
-- Parameters: none
SELECT v.EmployeeId FROM dbo.ScimUsers AS v WHERE v.EmployeeId IS NOT NULL

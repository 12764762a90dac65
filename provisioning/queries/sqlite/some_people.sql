-- Rows of these people in the mapping: looked up first, or a server may join everybody before it looks.
-- Parameters: employee_ids (JSON array)
SELECT {columns}
FROM dbo.ScimUsers AS v
WHERE v.EmployeeId IN (SELECT k.value FROM json_each(?) AS k)

-- These people.
-- Parameters: employee_ids (JSON array)
WHERE v.EmployeeId IN (SELECT k.value FROM json_each(?) AS k)

-- These people.
-- Parameters: employee_ids (JSON array)
WHERE v.EmployeeId IN (SELECT k.employee_id FROM OPENJSON(?) WITH (employee_id {id_type} '$') AS k)

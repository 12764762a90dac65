-- The type of EmployeeId in a view, as OPENJSON … WITH wants it.
-- Parameters: view
SELECT c.type AS id_type
FROM pragma_table_info(?, 'dbo') AS c
WHERE c.name = 'EmployeeId'

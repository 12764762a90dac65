-- The type of EmployeeId in a view, as OPENJSON … WITH wants it.
-- Parameters: view
SELECT
    t.name + CASE
        WHEN t.name IN ('nvarchar', 'nchar') THEN '(' + CAST(c.max_length / 2 AS varchar(10)) + ')'
        WHEN t.name IN ('varchar', 'char') THEN '(' + CAST(c.max_length AS varchar(10)) + ')'
        ELSE ''
    END AS id_type
FROM sys.columns AS c
INNER JOIN sys.types AS t ON t.user_type_id = c.user_type_id
WHERE c.object_id = OBJECT_ID('dbo.' + ?) AND c.name = 'EmployeeId' AND c.max_length > 0

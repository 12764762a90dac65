-- What a table of schema dbo takes: type, length in characters or bytes, scale, nullability, code page.
-- Parameters: table
SELECT
    o.name AS table_name,
    c.name,
    t.name AS type_name,
    CASE
        WHEN t.name IN ('nvarchar', 'nchar') AND c.max_length > 0 THEN c.max_length / 2
        ELSE c.max_length
    END AS length,
    c.[precision],
    c.scale,
    c.is_nullable,
    CASE WHEN c.is_computed = 1 OR c.is_identity = 1 THEN 0 ELSE 1 END AS is_writable,
    COALESCE(CAST(COLLATIONPROPERTY(c.collation_name, 'CodePage') AS int), 1252) AS code_page
FROM sys.columns AS c
INNER JOIN sys.tables AS o ON o.object_id = c.object_id
INNER JOIN sys.types AS t ON t.user_type_id = c.user_type_id
WHERE c.object_id = OBJECT_ID('dbo.' + ?)
ORDER BY c.column_id

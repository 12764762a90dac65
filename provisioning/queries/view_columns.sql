-- The columns of a view or table of schema dbo, in their order.
-- Parameters: view
SELECT c.name
FROM sys.columns AS c
WHERE c.object_id = OBJECT_ID('dbo.' + ?)
ORDER BY c.column_id

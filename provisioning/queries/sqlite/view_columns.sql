-- The columns of a view or table of schema dbo, in their order.
-- Parameters: view
SELECT c.name
FROM pragma_table_info(?, 'dbo') AS c
ORDER BY c.cid

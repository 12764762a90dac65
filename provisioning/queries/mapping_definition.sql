-- How the view that is the mapping is defined.
-- Parameters: view
SELECT m.[definition] AS view_text
FROM sys.sql_modules AS m
WHERE m.object_id = OBJECT_ID('dbo.' + ?)

-- How the view that is the mapping is defined.
-- Parameters: view
SELECT m.sql AS view_text FROM dbo.sqlite_master AS m WHERE m.type = 'view' AND m.name = ?

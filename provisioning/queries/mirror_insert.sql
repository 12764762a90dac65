-- Write a chunk of new records.
-- Parameters: rows (JSON array of objects)
INSERT INTO dbo.{table} ({columns})
SELECT {columns}
FROM OPENJSON(?) WITH ({fields}) AS j

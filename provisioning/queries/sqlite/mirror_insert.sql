-- Write a chunk of new records.
-- Parameters: rows (JSON array of objects)
INSERT INTO dbo.{table} ({columns})
SELECT {fields}
FROM json_each(?) AS j

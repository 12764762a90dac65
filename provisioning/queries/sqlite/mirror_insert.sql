-- Write a chunk of new records.
-- Parameters: rows (JSON objects, each by itself)
INSERT INTO dbo.{table} ({columns})
SELECT {fields}
FROM (SELECT ? AS value) AS j

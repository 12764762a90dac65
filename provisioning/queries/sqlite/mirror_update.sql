-- Write a chunk of changed records over what the mirror holds.
-- Parameters: rows (JSON objects, each by itself)
UPDATE dbo.{table}
SET {assignments}
FROM (
    SELECT {fields} FROM (SELECT ? AS value) AS f
) AS j
WHERE j.{key} = {table}.{key}

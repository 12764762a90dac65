-- Write a chunk of changed records over what the mirror holds.
-- Parameters: rows (JSON array of objects)
UPDATE dbo.{table}
SET {assignments}
FROM (
    SELECT {fields} FROM json_each(?) AS f
) AS j
WHERE j.{key} = {table}.{key}

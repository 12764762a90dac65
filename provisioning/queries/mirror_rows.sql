-- What the mirror holds of the records at hand.
-- Parameters: keys (JSON array)
SELECT {expressions}
FROM OPENJSON(?) WITH (record_key {key_type} '$') AS k
INNER JOIN dbo.{table} AS t ON t.{key} = k.record_key

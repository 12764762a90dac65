-- What the mirror holds of the records at hand.
-- Parameters: keys (JSON array)
SELECT {expressions}
FROM json_each(?) AS k
INNER JOIN dbo.{table} AS t ON t.{key} = k.value

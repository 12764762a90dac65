-- How the mirror spells a key.
-- Parameters: key
SELECT t.{key} FROM dbo.{table} AS t WHERE t.{key} = ?

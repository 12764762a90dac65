-- Every key that a table of the mirror holds.
-- Parameters: none
SELECT t.{key} FROM dbo.{table} AS t

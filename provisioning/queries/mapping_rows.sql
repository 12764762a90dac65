-- Everybody, as the mapping has them.
-- Parameters: none
SELECT {columns} FROM dbo.ScimUsers AS v

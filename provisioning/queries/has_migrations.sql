-- Whether anything was ever applied here.
-- Parameters: none
SELECT t.name FROM sys.tables AS t INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE s.name = 'provisioning' AND t.name = 'migrations'

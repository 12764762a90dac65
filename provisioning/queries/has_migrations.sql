-- Whether anything was ever applied here: no row where not, and a null where this login sees nothing of it.
-- Parameters: none
SELECT t.name FROM sys.schemas AS s LEFT JOIN sys.tables AS t ON t.schema_id = s.schema_id AND t.name = 'migrations'
WHERE s.name = 'provisioning'

-- Note since when records are absent from a complete fetch.
-- Parameters: table, keys (JSON array)
INSERT INTO dbo.AbsentRecords (TableName, RecordKey, AbsentSince)
SELECT ?, k.value, SYSUTCDATETIME()
FROM OPENJSON(?) AS k

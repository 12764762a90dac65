-- Note since when records are absent from a complete fetch.
-- Parameters: table, since, keys (JSON array)
INSERT INTO dbo.AbsentRecords (TableName, RecordKey, AbsentSince)
SELECT ?, k.value, ?
FROM OPENJSON(?) AS k

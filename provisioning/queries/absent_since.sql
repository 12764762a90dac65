-- Since when a record is absent from an endpoint.
-- Parameters: table, key
SELECT a.AbsentSince FROM dbo.AbsentRecords AS a WHERE a.TableName = ? AND a.RecordKey = ?

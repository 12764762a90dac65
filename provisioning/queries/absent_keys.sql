-- Who is noted as absent from an endpoint.
-- Parameters: table
SELECT a.RecordKey FROM dbo.AbsentRecords AS a WHERE a.TableName = ?

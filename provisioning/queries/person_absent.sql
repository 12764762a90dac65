-- Since when a record is absent from HR's answers.
-- Parameters: table, record_key
SELECT a.AbsentSince
FROM dbo.AbsentRecords AS a
WHERE a.TableName = ? AND a.RecordKey = ?

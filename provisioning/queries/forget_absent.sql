-- Take the note away of records that are back.
-- Parameters: table, keys (JSON array)
DELETE FROM dbo.AbsentRecords
WHERE TableName = ? AND RecordKey IN (SELECT k.value FROM OPENJSON(?) AS k)

-- Records leave the mirror, with the note that they are absent.
-- Parameters: keys (JSON array), table, keys
DELETE FROM dbo.{table}
WHERE {key} IN (SELECT k.value FROM OPENJSON(?) AS k);
DELETE FROM dbo.AbsentRecords
WHERE TableName = ? AND RecordKey IN (SELECT k.value FROM OPENJSON(?) AS k);

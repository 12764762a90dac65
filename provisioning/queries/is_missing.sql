-- Whether a record is absent from an endpoint by two complete fetches, so many seconds apart.
-- Parameters: seconds, table, key
SELECT a.RecordKey
FROM dbo.AbsentRecords AS a
INNER JOIN provisioning.fetches AS c ON c.table_name = a.TableName
WHERE
    a.AbsentSince < c.misses_counted_at AND a.AbsentSince <= DATEADD(second, ?, c.misses_counted_at)
    AND a.TableName = ? AND a.RecordKey = ?

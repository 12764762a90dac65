-- Who is absent from HR since before a time, and inactive or unknown over there, for every target.
-- Parameters: table, since
SELECT a.RecordKey
FROM dbo.AbsentRecords AS a
WHERE
    a.TableName = ? AND a.AbsentSince < ?
    AND a.RecordKey NOT IN (SELECT l.employee_id FROM provisioning.ledger AS l WHERE l.active = 1)
    AND a.RecordKey NOT IN (SELECT i.employee_id FROM provisioning.intents AS i)
ORDER BY a.RecordKey

-- Of which records a person's rows of the mapping are, and which of these count as missing from HR.
-- Parameters: table, seconds, employee_id
SELECT
    {hr_table} AS hr_table,
    COALESCE(CAST({hr_key} AS nvarchar(200)), CAST(v.EmployeeId AS nvarchar(200))) AS hr_key,
    CASE WHEN a.RecordKey IS NULL THEN 0 ELSE 1 END AS is_missing
FROM dbo.ScimUsers AS v
LEFT JOIN provisioning.fetches AS c ON c.table_name = COALESCE(CAST({hr_table} AS nvarchar(128)), ?)
LEFT JOIN dbo.AbsentRecords AS a
    ON
        a.TableName = c.table_name -- a key may be a number, of which RecordKey is none
        AND a.RecordKey = COALESCE(CAST({hr_key} AS nvarchar(200)), CAST(v.EmployeeId AS nvarchar(200)))
        AND a.AbsentSince < c.misses_counted_at AND a.AbsentSince <= DATEADD('second', ?, c.misses_counted_at)
WHERE v.EmployeeId = ? COLLATE NOCASE

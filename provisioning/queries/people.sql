-- People of the mapping, or some of them, beside what was last sent of them to one target.
-- Parameters: target, target, target, target, target, table, seconds, target; after the first, those of the people who
-- are looked up; last, those of the condition
SELECT
    {columns},
    CAST({modified} AS varchar(33)) AS modified_text,
    l.user_hash,
    l.active AS sent_active,
    l.sent_at,
    l.manager_known,
    (
        SELECT MAX(CASE WHEN m.succeeded_at IS NULL THEN '' ELSE COALESCE(CAST(m.created_at AS varchar(33)), '-') END)
        FROM provisioning.ledger AS m
        WHERE m.target = ? AND m.external_id = {manager}
    ) AS manager_state, -- null: never sent; empty: no success yet; when she was created, or - where nobody knows
    i.unanswered,
    i.oldest,
    i.maybe_active,
    f.token,
    r.user_hash AS refused_hash,
    r.reason,
    l.valid_to AS sent_valid_to,
    l.valid_to_since,
    l.protected AS sent_protected,
    CASE WHEN a.RecordKey IS NULL THEN 0 ELSE 1 END AS is_missing,
    l.posted_at,
    l.answered_at,
    l.retry_at,
    CASE WHEN b.employee_id IS NOT NULL AND l.cleared_at IS NULL THEN l.scim_user ELSE {payload} END AS scim_user,
    CASE WHEN b.employee_id IS NULL THEN 0 ELSE 1 END AS by_hand
FROM {people} AS v
LEFT JOIN provisioning.ledger AS l ON l.target = ? AND l.employee_id = v.EmployeeId
LEFT JOIN (
    SELECT
        o.employee_id,
        MAX(CASE WHEN o.answered = 1 THEN 0 ELSE 1 END) AS unanswered,
        MIN(o.created_at) AS oldest,
        MAX(CASE WHEN o.active = 1 THEN 1 ELSE 0 END) AS maybe_active
    FROM provisioning.intents AS o
    WHERE o.target = ?
    GROUP BY o.employee_id
) AS i ON i.employee_id = v.EmployeeId
LEFT JOIN provisioning.forced AS f ON f.target = ? AND f.employee_id = v.EmployeeId
LEFT JOIN provisioning.refused AS r ON r.target = ? AND r.employee_id = v.EmployeeId
LEFT JOIN provisioning.fetches AS c ON c.table_name = COALESCE(CAST({hr_table} AS nvarchar(128)), ?)
LEFT JOIN dbo.AbsentRecords AS a
    ON
        a.TableName = c.table_name -- a key may be a number, of which RecordKey is none
        AND a.RecordKey = COALESCE(CAST({hr_key} AS nvarchar(200)), CAST(v.EmployeeId AS nvarchar(200)))
        AND a.AbsentSince < c.misses_counted_at AND a.AbsentSince <= DATEADD(second, ?, c.misses_counted_at)
LEFT JOIN provisioning.disabled_by_hand AS b ON b.target = ? AND b.employee_id = v.EmployeeId
{condition}

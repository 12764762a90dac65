-- One person's trail, the oldest first.
-- Parameters: target, employee_id, target, employee_id
SELECT
    t.happened_at,
    t.kind,
    t.run_id,
    r.job,
    t.by_whom,
    t.active,
    t.attributes,
    t.remark,
    t.action,
    t.status,
    t.error_code,
    t.recommended_action,
    t.object_id,
    t.change_id
FROM (
    SELECT
        h.happened_at,
        h.kind,
        h.run_id,
        h.by_whom,
        h.active,
        h.attributes,
        h.remark,
        CAST(NULL AS varchar(30)) AS action,
        CAST(NULL AS varchar(20)) AS status,
        CAST(NULL AS nvarchar(200)) AS error_code,
        CAST(NULL AS nvarchar(2000)) AS recommended_action,
        CAST(NULL AS nvarchar(100)) AS object_id,
        CAST(NULL AS nvarchar(100)) AS change_id
    FROM provisioning.history AS h
    WHERE h.target = ? AND h.employee_id = ?
    UNION ALL
    SELECT
        o.activity_at,
        'outcome',
        o.run_id,
        NULL,
        NULL,
        o.modified,
        o.reason,
        o.action,
        o.status,
        o.error_code,
        o.recommended_action,
        o.object_id,
        o.change_id
    FROM provisioning.outcomes AS o
    WHERE o.target = ? AND o.employee_id = ?
) AS t
LEFT JOIN provisioning.runs AS r ON r.run_id = t.run_id
ORDER BY t.happened_at

-- People disabled by hand of whom dbo.ScimUsers has no row: what was sent of them, in the order of people.sql.
-- Parameters: target, target
SELECT
    b.employee_id,
    CAST(NULL AS varchar(33)) AS modified_text,
    l.user_hash,
    l.active AS sent_active,
    l.sent_at,
    l.manager_known,
    CAST(NULL AS varchar(33)) AS manager_state,
    i.unanswered,
    i.oldest,
    i.maybe_active,
    f.token,
    r.user_hash AS refused_hash,
    r.reason,
    l.valid_to AS sent_valid_to,
    l.valid_to_since,
    l.protected AS sent_protected,
    0 AS is_missing,
    l.posted_at,
    l.answered_at,
    l.retry_at,
    CASE WHEN l.cleared_at IS NULL THEN l.scim_user END AS scim_user,
    1 AS by_hand
FROM provisioning.disabled_by_hand AS b
LEFT JOIN provisioning.ledger AS l ON l.target = b.target AND l.employee_id = b.employee_id
LEFT JOIN (
    SELECT
        o.employee_id,
        MAX(CASE WHEN o.answered = 1 THEN 0 ELSE 1 END) AS unanswered,
        MIN(o.created_at) AS oldest,
        MAX(CASE WHEN o.active = 1 THEN 1 ELSE 0 END) AS maybe_active
    FROM provisioning.intents AS o
    WHERE o.target = ?
    GROUP BY o.employee_id
) AS i ON i.employee_id = b.employee_id
LEFT JOIN provisioning.forced AS f ON f.target = b.target AND f.employee_id = b.employee_id
LEFT JOIN provisioning.refused AS r ON r.target = b.target AND r.employee_id = b.employee_id
WHERE
    b.target = ?
    AND b.employee_id NOT IN (SELECT v.EmployeeId FROM dbo.ScimUsers AS v WHERE v.EmployeeId IS NOT NULL)

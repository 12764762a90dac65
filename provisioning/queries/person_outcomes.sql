-- What Entra's log tells of a person, the newest first.
-- Parameters: target, employee_id
SELECT
    o.activity_at,
    o.action,
    o.status,
    o.error_code,
    o.reason,
    o.recommended_action,
    o.modified,
    o.change_id,
    o.recreated
FROM provisioning.outcomes AS o
WHERE o.target = ? AND o.employee_id = ?
ORDER BY o.activity_at DESC

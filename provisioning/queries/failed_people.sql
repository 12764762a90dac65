-- Who failed over there and has not succeeded since, and why.
-- Parameters: target
SELECT
    l.employee_id,
    l.outcome_at,
    o.action,
    o.error_code,
    o.reason,
    o.recommended_action,
    l.retry_at
FROM provisioning.ledger AS l
LEFT JOIN provisioning.outcomes AS o ON o.target = l.target AND o.entry_id = l.outcome_entry
WHERE l.target = ? AND l.outcome = 'failure'
ORDER BY l.employee_id

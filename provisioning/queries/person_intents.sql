-- What was about to be sent of a person and may have arrived: intents that are left over, the oldest first.
-- Parameters: target, employee_id
SELECT
    i.run_id,
    i.created_at,
    i.answered
FROM provisioning.intents AS i
WHERE i.target = ? AND i.employee_id = ?
ORDER BY i.created_at

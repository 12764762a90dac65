-- What was last sent of a person to a target, by which run of which job, and what came of it.
-- Parameters: target, employee_id
SELECT
    l.employee_id,
    l.sent_at,
    l.run_id,
    r.job,
    l.active,
    l.valid_to,
    l.outcome,
    l.outcome_at,
    l.recreated_at
FROM provisioning.ledger AS l
LEFT JOIN provisioning.runs AS r ON r.run_id = l.run_id
WHERE l.target = ? AND l.employee_id = ?

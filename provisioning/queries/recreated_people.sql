-- Whom Entra created anew though she had had an account.
-- Parameters: target, since
SELECT
    l.employee_id,
    l.recreated_at
FROM provisioning.ledger AS l
WHERE l.target = ? AND l.recreated_at >= ?
ORDER BY l.employee_id

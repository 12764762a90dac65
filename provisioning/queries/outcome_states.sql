-- What is known of what came of people, by externalId; of two with one externalId the one sent last comes last.
-- Parameters: target, keys (JSON array)
SELECT
    l.employee_id,
    l.external_id,
    l.outcome,
    l.outcome_at,
    l.outcome_entry,
    l.answered_at,
    l.succeeded_at,
    l.created_at,
    l.recreated_at
FROM provisioning.ledger AS l
WHERE l.target = ? AND l.external_id IN (SELECT k.value FROM OPENJSON(?) AS k)
ORDER BY l.sent_at

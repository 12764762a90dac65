-- Somebody asks that people who failed are sent once more.
-- Parameters: target, run_id, by_whom, target, employee_ids (JSON array), run_id, target, employee_ids
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, by_whom)
SELECT ?, l.employee_id, SYSUTCDATETIME(), 'retry', ?, ?
FROM provisioning.ledger AS l
WHERE
    l.target = ? AND l.outcome = 'failure' AND l.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)
    AND NOT EXISTS (
        SELECT 1 FROM provisioning.history AS h
        WHERE h.target = l.target AND h.employee_id = l.employee_id AND h.run_id = ? AND h.kind = 'retry'
    );
UPDATE provisioning.ledger
SET retry_at = SYSUTCDATETIME()
WHERE target = ? AND outcome = 'failure' AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);

-- Forget trails so many seconds old, but not why somebody fails still; clear payloads of people inactive so long.
-- Parameters: seconds (negative), seconds (negative), seconds (negative)
DELETE FROM provisioning.history WHERE happened_at < DATEADD(second, ?, SYSUTCDATETIME());
DELETE FROM provisioning.outcomes
WHERE
    activity_at < DATEADD(second, ?, SYSUTCDATETIME())
    AND NOT EXISTS (
        SELECT 1 FROM provisioning.ledger AS l
        WHERE
            l.target = outcomes.target AND l.employee_id = outcomes.employee_id
            AND l.outcome = 'failure' AND l.outcome_entry = outcomes.entry_id
    );
UPDATE provisioning.ledger
SET scim_user = '{}', cleared_at = SYSUTCDATETIME()
WHERE active = 0 AND cleared_at IS NULL AND inactive_since < DATEADD(second, ?, SYSUTCDATETIME());

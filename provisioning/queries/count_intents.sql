-- Of how many of these people a run has said what is about to be sent, if the lease is still its own.
-- Parameters: target, run_id, employee_ids (JSON array), lease, owner, epoch
SELECT COUNT(*) AS people
FROM provisioning.intents AS i
WHERE
    i.target = ? AND i.run_id = ? AND i.answered = 0
    AND i.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)
    AND EXISTS (
        SELECT 1 FROM provisioning.leases AS l
        WHERE l.name = ? AND l.owner = ? AND l.epoch = ? AND l.expires_at > SYSUTCDATETIME()
    )

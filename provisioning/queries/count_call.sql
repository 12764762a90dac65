-- Count a call before it is made: only with a lease that outlives it, inside the daily limit, below 40 in 5 s.
-- Parameters: target, run_id, lease, owner, epoch, seconds, daily_limit, window_limit
INSERT INTO provisioning.calls (called_at, target, run_id)
SELECT SYSUTCDATETIME(), ?, ?
WHERE
    EXISTS (
        SELECT 1 FROM provisioning.leases AS l
        WHERE l.name = ? AND l.owner = ? AND l.epoch = ? AND l.expires_at > DATEADD(second, ?, SYSUTCDATETIME())
    )
    AND (
        SELECT COUNT(*) FROM provisioning.calls AS d WHERE d.called_at > DATEADD(second, -86400, SYSUTCDATETIME())
    ) < ?
    AND (
        SELECT COUNT(*) FROM provisioning.calls AS w WHERE w.called_at > DATEADD(second, -5, SYSUTCDATETIME())
    ) < ?

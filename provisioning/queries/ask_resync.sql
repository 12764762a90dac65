-- Ask for a resync, unless too many were asked for in the last minute; asked for twice, it is one.
-- Parameters: token, employee_id, token, limit
INSERT INTO provisioning.resyncs (token, employee_id, asked_at, granted)
SELECT ?, ?, SYSUTCDATETIME(), 0
WHERE
    NOT EXISTS (SELECT 1 FROM provisioning.resyncs AS a WHERE a.token = ?)
    AND (
        SELECT COUNT(*) FROM provisioning.resyncs AS r WHERE r.asked_at > DATEADD(second, -60, SYSUTCDATETIME())
    ) < ?

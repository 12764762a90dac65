-- Ask for a resync, unless too many were asked for in the last minute.
-- Parameters: token, employee_id, limit
INSERT INTO provisioning.resyncs (token, employee_id, asked_at, granted)
SELECT ?, ?, SYSUTCDATETIME(), 0
WHERE (
    SELECT COUNT(*) FROM provisioning.resyncs AS r WHERE r.asked_at > DATEADD(second, -60, SYSUTCDATETIME())
) < ?

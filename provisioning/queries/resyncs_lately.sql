-- The resyncs asked for in the last minute.
-- Parameters: none
SELECT
    r.employee_id,
    r.asked_at,
    r.granted
FROM provisioning.resyncs AS r
WHERE r.asked_at > DATEADD(second, -60, SYSUTCDATETIME())
ORDER BY r.asked_at

-- How many calls were made in the last 24 h and in the last 5 s, and when the oldest of the day was.
-- Parameters: none
SELECT
    COUNT(*) AS calls_day,
    COALESCE(SUM(CASE WHEN c.called_at > DATEADD(second, -5, SYSUTCDATETIME()) THEN 1 ELSE 0 END), 0) AS calls_window,
    MIN(c.called_at) AS oldest
FROM provisioning.calls AS c
WHERE c.called_at > DATEADD(second, -86400, SYSUTCDATETIME())

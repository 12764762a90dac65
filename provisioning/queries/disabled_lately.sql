-- Who was disabled in the last 24 h, or perhaps was, as far as the guard counts it.
-- Parameters: target, target
SELECT d.employee_id FROM provisioning.disables AS d
WHERE d.target = ? AND d.disabled_at > DATEADD(second, -86400, SYSUTCDATETIME())
UNION
SELECT i.employee_id FROM provisioning.intents AS i
WHERE i.target = ? AND i.counts_as_disable = 1 AND i.created_at > DATEADD(second, -86400, SYSUTCDATETIME())

-- Somebody has opened a person's data, in the trail of that person.
-- Parameters: target, employee_id, run_id, by_whom, employee_id, run_id
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, by_whom)
SELECT ?, ?, SYSUTCDATETIME(), 'opened', ?, ?
WHERE NOT EXISTS (SELECT 1 FROM provisioning.history AS h WHERE h.employee_id = ? AND h.run_id = ?)

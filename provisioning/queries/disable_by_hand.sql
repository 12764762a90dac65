-- Somebody is disabled by name, whatever HR says; asked for again, the first name stays.
-- Parameters: target, employee_id, by_whom, target, employee_id, target, employee_id, run_id, by_whom, target,
-- employee_id, run_id
INSERT INTO provisioning.disabled_by_hand (target, employee_id, disabled_at, disabled_by)
SELECT ?, ?, SYSUTCDATETIME(), ?
WHERE NOT EXISTS (SELECT 1 FROM provisioning.disabled_by_hand AS b WHERE b.target = ? AND b.employee_id = ?);
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, by_whom)
SELECT ?, ?, SYSUTCDATETIME(), 'disabled', ?, ?
WHERE NOT EXISTS (
    SELECT 1 FROM provisioning.history AS h
    WHERE h.target = ? AND h.employee_id = ? AND h.run_id = ? AND h.kind = 'disabled'
);

-- Put a person down as forced; asked for again, she is forced again.
-- Parameters: target, employee_id, target, employee_id, token, target, employee_id, run_id, by_whom, target,
-- employee_id, run_id
DELETE FROM provisioning.forced WHERE target = ? AND employee_id = ?;
INSERT INTO provisioning.forced (target, employee_id, token, requested_at)
VALUES (?, ?, ?, SYSUTCDATETIME());
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, by_whom)
SELECT ?, ?, SYSUTCDATETIME(), 'resync', ?, ?
WHERE NOT EXISTS (
    SELECT 1 FROM provisioning.history AS h
    WHERE h.target = ? AND h.employee_id = ? AND h.run_id = ? AND h.kind = 'resync'
);

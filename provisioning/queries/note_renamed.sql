-- A person's user name was changed by somebody, in that person's trail: not from what to what.
-- Parameters: target, employee_id, run_id, by_whom, target, employee_id, run_id
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, by_whom)
SELECT ?, ?, SYSUTCDATETIME(), 'renamed', ?, ?
WHERE NOT EXISTS (
    SELECT 1 FROM provisioning.history AS h
    WHERE h.target = ? AND h.employee_id = ? AND h.run_id = ? AND h.kind = 'renamed'
)

-- Graph refused this one person: she is not sent again until her data changes.
-- Parameters: target, employee_id, target, employee_id, user_hash, reason, target, employee_id, run_id, reason,
-- target, employee_id, run_id
DELETE FROM provisioning.refused WHERE target = ? AND employee_id = ?;
INSERT INTO provisioning.refused (target, employee_id, user_hash, reason, refused_at)
VALUES (?, ?, ?, ?, SYSUTCDATETIME());
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, remark)
SELECT ?, ?, SYSUTCDATETIME(), 'refused', ?, ?
WHERE NOT EXISTS (
    SELECT 1 FROM provisioning.history AS h
    WHERE h.target = ? AND h.employee_id = ? AND h.run_id = ? AND h.kind = 'refused'
);

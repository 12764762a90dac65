-- A person's trail, the newest first.
-- Parameters: target, employee_id
SELECT
    h.happened_at,
    h.kind,
    h.run_id,
    h.by_whom,
    h.active,
    h.attributes,
    h.remark
FROM provisioning.history AS h
WHERE h.target = ? AND h.employee_id = ?
ORDER BY h.happened_at DESC

-- An approval, in the trail of everybody whom it covers.
-- Parameters: target, run_id, by_whom, remark, hold_id, employee_ids (JSON array)
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, by_whom, remark)
SELECT ?, p.employee_id, SYSUTCDATETIME(), 'approved', ?, ?, ?
FROM provisioning.held_people AS p
WHERE p.hold_id = ? AND p.employee_id NOT IN (SELECT k.value FROM OPENJSON(?) AS k)

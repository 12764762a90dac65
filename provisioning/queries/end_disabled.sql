-- These people are no longer disabled by hand: somebody took it back, or HR agrees.
-- Parameters: run_id, by_whom, remark, target, employee_ids (JSON array), target, employee_ids
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, by_whom, remark)
SELECT b.target, b.employee_id, SYSUTCDATETIME(), 'enabled', ?, ?, ?
FROM provisioning.disabled_by_hand AS b
WHERE b.target = ? AND b.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);
DELETE FROM provisioning.disabled_by_hand
WHERE target = ? AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);

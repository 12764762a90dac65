-- Put a person down as forced; asked for again, she is forced again.
-- Parameters: target, employee_id, target, employee_id, token
DELETE FROM provisioning.forced WHERE target = ? AND employee_id = ?;
INSERT INTO provisioning.forced (target, employee_id, token, requested_at)
VALUES (?, ?, ?, SYSUTCDATETIME());

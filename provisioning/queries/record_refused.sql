-- Graph refused this one person: she is not sent again until her data changes.
-- Parameters: target, employee_id, target, employee_id, user_hash, reason
DELETE FROM provisioning.refused WHERE target = ? AND employee_id = ?;
INSERT INTO provisioning.refused (target, employee_id, user_hash, reason, refused_at)
VALUES (?, ?, ?, ?, SYSUTCDATETIME());

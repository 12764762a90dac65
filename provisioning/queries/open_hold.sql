-- A guard stops people.
-- Parameters: hold_id, target, class, detail, job, reason, attributes (JSON), due_on, run_id
INSERT INTO provisioning.holds (hold_id, target, class, detail, job, reason, attributes, due_on, held_at, run_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, SYSUTCDATETIME(), ?)

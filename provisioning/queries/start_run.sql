-- A run begins.
-- Parameters: run_id, job, target
INSERT INTO provisioning.runs (run_id, job, target, started_at)
VALUES (?, ?, ?, SYSUTCDATETIME())

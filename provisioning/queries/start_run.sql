-- A run begins; said twice, it has begun once.
-- Parameters: run_id, job, target, run_id
INSERT INTO provisioning.runs (run_id, job, target, started_at)
SELECT ?, ?, ?, SYSUTCDATETIME()
WHERE NOT EXISTS (SELECT 1 FROM provisioning.runs AS r WHERE r.run_id = ?)

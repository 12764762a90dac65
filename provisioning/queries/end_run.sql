-- A run ends, with what it did.
-- Parameters: exit_code, counts (JSON), run_id
UPDATE provisioning.runs
SET ended_at = SYSUTCDATETIME(), exit_code = ?, counts = ?
WHERE run_id = ?

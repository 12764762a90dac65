-- A hold that waits has other people, or another reason.
-- Parameters: job, reason, attributes (JSON), run_id, hold_id
UPDATE provisioning.holds
SET job = ?, reason = ?, attributes = ?, run_id = ?
WHERE hold_id = ?

-- Nobody in a hold is due any more.
-- Parameters: hold_id
UPDATE provisioning.holds
SET ended_at = SYSUTCDATETIME()
WHERE hold_id = ? AND approved_at IS NULL

-- Somebody approves what waits; once.
-- Parameters: approved_by, expires_at, hold_id
UPDATE provisioning.holds
SET approved_at = SYSUTCDATETIME(), approved_by = ?, expires_at = ?
WHERE hold_id = ? AND approved_at IS NULL AND ended_at IS NULL

-- Nobody in a hold waits any more: they are not due, are in another hold, or their approval is over.
-- Parameters: hold_id
UPDATE provisioning.holds
SET ended_at = SYSUTCDATETIME()
WHERE hold_id = ?

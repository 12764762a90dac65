-- A resync that was asked for is carried out.
-- Parameters: token
UPDATE provisioning.resyncs
SET granted = 1
WHERE token = ?

-- Whether a resync was asked for.
-- Parameters: token
SELECT r.asked_at FROM provisioning.resyncs AS r WHERE r.token = ?

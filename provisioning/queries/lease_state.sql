-- Who holds a lease, and whom it was taken from.
-- Parameters: name
SELECT l.owner, l.previous_owner, l.epoch, l.expires_at FROM provisioning.leases AS l WHERE l.name = ?

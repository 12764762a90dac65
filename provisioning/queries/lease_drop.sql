-- Give a lease back, whoever is waiting: the run has failed or its time is up.
-- Parameters: name, owner, epoch
UPDATE provisioning.leases
SET owner = NULL, expires_at = SYSUTCDATETIME()
WHERE name = ? AND owner = ? AND epoch = ?

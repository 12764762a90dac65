-- Hold a lease for longer, as long as it is still one's own.
-- Parameters: seconds, name, owner, epoch
UPDATE provisioning.leases
SET expires_at = DATEADD(second, ?, SYSUTCDATETIME())
WHERE name = ? AND owner = ? AND epoch = ?

-- Take a lease that nobody holds or whose owner let it expire.
-- Parameters: name, name, owner, seconds, name
INSERT INTO provisioning.leases (name, owner, previous_owner, epoch, expires_at)
SELECT ?, NULL, NULL, 0, SYSUTCDATETIME()
WHERE NOT EXISTS (SELECT 1 FROM provisioning.leases AS l WHERE l.name = ?);
UPDATE provisioning.leases
SET previous_owner = owner, owner = ?, epoch = epoch + 1, expires_at = DATEADD(second, ?, SYSUTCDATETIME())
WHERE name = ? AND (owner IS NULL OR expires_at <= SYSUTCDATETIME());

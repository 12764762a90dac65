-- Let nobody else past here until this transaction has ended: what was counted in it stays true.
-- Parameters: name, name, name
INSERT INTO provisioning.leases (name, owner, previous_owner, epoch, expires_at)
SELECT ?, NULL, NULL, 0, SYSUTCDATETIME()
WHERE NOT EXISTS (SELECT 1 FROM provisioning.leases AS l WHERE l.name = ?);
UPDATE provisioning.leases SET epoch = epoch WHERE name = ?;

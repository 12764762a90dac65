-- Somebody is forgotten.
-- Parameters: id_hash, id_hash
INSERT INTO provisioning.tombstones (id_hash, forgotten_at)
SELECT ?, SYSUTCDATETIME()
WHERE NOT EXISTS (SELECT 1 FROM provisioning.tombstones AS t WHERE t.id_hash = ?)

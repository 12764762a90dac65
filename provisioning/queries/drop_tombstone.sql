-- Somebody may be known again.
-- Parameters: id_hash
DELETE FROM provisioning.tombstones WHERE id_hash = ?

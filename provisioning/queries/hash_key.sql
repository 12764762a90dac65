-- The key of a kind of hashes.
-- Parameters: name
SELECT k.secret FROM provisioning.hash_keys AS k WHERE k.name = ?

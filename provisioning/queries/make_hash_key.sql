-- Make the key of a kind of hashes, once.
-- Parameters: name, secret, name
INSERT INTO provisioning.hash_keys (name, secret)
SELECT ?, ?
WHERE NOT EXISTS (SELECT 1 FROM provisioning.hash_keys AS k WHERE k.name = ?)

-- Who was forgotten: keyed hashes of ids.
-- Parameters: none
SELECT t.id_hash FROM provisioning.tombstones AS t

-- The mapping that was last approved for a target.
-- Parameters: target
SELECT m.mapping_hash FROM provisioning.mappings AS m WHERE m.target = ?

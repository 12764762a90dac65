-- This is the mapping for a target from now on.
-- Parameters: target, target, mapping_hash, accepted_by
DELETE FROM provisioning.mappings WHERE target = ?;
INSERT INTO provisioning.mappings (target, mapping_hash, accepted_at, accepted_by)
VALUES (?, ?, SYSUTCDATETIME(), ?);

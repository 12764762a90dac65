-- Remember how far the log of a target was read.
-- Parameters: seen_to, read_from, read_to, target, target, seen_to, read_from, read_to, target
UPDATE provisioning.log_reads
SET seen_to = ?, read_from = ?, read_to = ?
WHERE target = ?;
INSERT INTO provisioning.log_reads (target, seen_to, read_from, read_to)
SELECT ?, ?, ?, ?
WHERE NOT EXISTS (SELECT 1 FROM provisioning.log_reads AS r WHERE r.target = ?);

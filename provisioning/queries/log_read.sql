-- How far the log of a target was read.
-- Parameters: target
SELECT
    r.seen_to,
    r.read_from,
    r.read_to
FROM provisioning.log_reads AS r
WHERE r.target = ?

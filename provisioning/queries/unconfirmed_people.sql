-- Who was sent in a time of which the log is read, without an entry of hers.
-- Parameters: target, since, until, seconds (negative)
SELECT
    l.employee_id,
    l.posted_at
FROM provisioning.ledger AS l
WHERE
    l.target = ? AND l.posted_at >= ? AND l.posted_at <= ?
    AND (l.answered_at IS NULL OR l.answered_at < DATEADD(second, ?, l.posted_at))
ORDER BY l.employee_id

-- The last run of compare that has looked at everybody.
-- Parameters: target, target
SELECT
    r.run_id,
    r.ended_at,
    r.counts
FROM provisioning.runs AS r
INNER JOIN (
    SELECT MAX(b.started_at) AS started_at
    FROM provisioning.runs AS b
    WHERE b.job = 'compare' AND b.target = ? AND b.exit_code IN (0, 3)
) AS n ON n.started_at = r.started_at
WHERE r.job = 'compare' AND r.target = ?

-- The last run of each job that has ended, apart from this one; the newest run last.
-- Parameters: target, run_id, target, run_id
SELECT
    r.job,
    r.exit_code,
    r.counts
FROM provisioning.runs AS r
INNER JOIN (
    SELECT
        b.job,
        MAX(b.started_at) AS started_at
    FROM provisioning.runs AS b
    WHERE (b.target = ? OR b.target IS NULL) AND b.run_id <> ? AND b.exit_code IS NOT NULL
    GROUP BY b.job
) AS n ON n.job = r.job AND n.started_at = r.started_at
WHERE (r.target = ? OR r.target IS NULL) AND r.run_id <> ? AND r.exit_code IS NOT NULL
ORDER BY r.started_at

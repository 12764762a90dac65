-- The last run of each job.
-- Parameters: target, target
SELECT
    r.job,
    r.run_id,
    r.started_at,
    r.ended_at,
    r.exit_code,
    r.counts
FROM provisioning.runs AS r
INNER JOIN (
    SELECT
        b.job,
        MAX(b.started_at) AS started_at
    FROM provisioning.runs AS b
    WHERE b.target = ? OR b.target IS NULL
    GROUP BY b.job
) AS n ON n.job = r.job AND n.started_at = r.started_at
WHERE r.target = ? OR r.target IS NULL
ORDER BY r.job

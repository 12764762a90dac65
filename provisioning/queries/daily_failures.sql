-- How many failures Entra's log tells in each ten minutes since a time.
-- Parameters: target, since
SELECT
    t.moment,
    COUNT(*) AS failures
FROM (
    SELECT SUBSTRING(CAST(o.activity_at AS varchar(30)), 1, 15) AS moment
    FROM provisioning.outcomes AS o
    WHERE o.target = ? AND o.status = 'failure' AND o.activity_at >= ?
) AS t
GROUP BY t.moment
ORDER BY t.moment

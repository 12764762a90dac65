-- How many people were sent in each ten minutes since a time: as somebody new, as becoming inactive, or changed.
-- Parameters: target, since
SELECT
    t.moment,
    t.step,
    COUNT(*) AS people
FROM (
    SELECT
        SUBSTRING(CAST(h.happened_at AS varchar(30)), 1, 15) AS moment,
        CASE
            WHEN h.attributes IS NULL THEN 'joiners'
            WHEN h.active = 0 AND h.attributes LIKE '%"active"%' THEN 'leavers'
            ELSE 'changes'
        END AS step
    FROM provisioning.history AS h
    WHERE h.target = ? AND h.kind = 'sent' AND h.happened_at >= ?
) AS t
GROUP BY t.moment, t.step
ORDER BY t.moment

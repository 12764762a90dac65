-- When an endpoint was last fetched completely, and how many records it had.
-- Parameters: table
SELECT
    f.completed_at,
    f.fetched
FROM provisioning.fetches AS f
WHERE f.table_name = ?

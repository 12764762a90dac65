-- When an endpoint was last fetched completely, how many records it had, and when a fetch last told who is missing.
-- Parameters: table
SELECT
    f.completed_at,
    f.fetched,
    f.misses_counted_at
FROM provisioning.fetches AS f
WHERE f.table_name = ?

-- The endpoint of the employees, and when a fetch of it last told who is missing.
-- Parameters: none
SELECT
    f.table_name,
    f.misses_counted_at
FROM provisioning.fetches AS f
WHERE f.of_people = 1 AND f.misses_counted_at IS NOT NULL
ORDER BY f.completed_at DESC

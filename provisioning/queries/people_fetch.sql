-- The endpoint of the employees of which a fetch last told who is missing.
-- Parameters: none
SELECT f.table_name
FROM provisioning.fetches AS f
WHERE f.of_people = 1 AND f.misses_counted_at IS NOT NULL
ORDER BY f.completed_at DESC

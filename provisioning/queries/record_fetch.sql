-- Remember the last complete fetch of an endpoint, and whether it could tell who is missing.
-- Parameters: fetched, run_id, completed_at, of_people, counted, completed_at, table, table, completed_at, fetched,
-- run_id, of_people, counted, completed_at, table
UPDATE provisioning.fetches
SET
    fetched = ?, run_id = ?, completed_at = ?, of_people = ?,
    misses_counted_at = CASE WHEN ? = 1 THEN ? ELSE misses_counted_at END
WHERE table_name = ?;
INSERT INTO provisioning.fetches (table_name, completed_at, fetched, run_id, of_people, misses_counted_at)
SELECT ?, ?, ?, ?, ?, CASE WHEN ? = 1 THEN ? END
WHERE NOT EXISTS (SELECT 1 FROM provisioning.fetches AS f WHERE f.table_name = ?);

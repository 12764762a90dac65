-- Remember the last complete fetch of an endpoint.
-- Parameters: fetched, run_id, table, table, fetched, run_id, table
UPDATE provisioning.fetches
SET completed_at = SYSUTCDATETIME(), fetched = ?, run_id = ?
WHERE table_name = ?;
INSERT INTO provisioning.fetches (table_name, completed_at, fetched, run_id)
SELECT ?, SYSUTCDATETIME(), ?, ?
WHERE NOT EXISTS (SELECT 1 FROM provisioning.fetches AS f WHERE f.table_name = ?);

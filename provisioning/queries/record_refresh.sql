-- Remember that one record was fetched by itself, so that an ingest under way does not write older data over it.
-- Parameters: table, key, table, key, table
DELETE FROM provisioning.refreshes WHERE table_name = ? AND record_key = ?;
INSERT INTO provisioning.refreshes (table_name, record_key, refreshed_at)
VALUES (?, ?, SYSUTCDATETIME());
DELETE FROM provisioning.refreshes
WHERE table_name = ? AND refreshed_at < DATEADD(second, -172800, SYSUTCDATETIME());

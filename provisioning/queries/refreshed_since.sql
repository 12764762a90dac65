-- Which records were fetched by themselves since a time.
-- Parameters: table, since
SELECT r.record_key FROM provisioning.refreshes AS r WHERE r.table_name = ? AND r.refreshed_at >= ?

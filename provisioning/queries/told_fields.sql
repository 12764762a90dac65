-- Which fields of an endpoint that have no column were told.
-- Parameters: table
SELECT f.told_fields
FROM provisioning.fetches AS f
WHERE f.table_name = ?

-- Remember which fields of an endpoint that have no column were told.
-- Parameters: fields (JSON array), table
UPDATE provisioning.fetches SET told_fields = ? WHERE table_name = ?

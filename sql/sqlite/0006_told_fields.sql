-- Which fields of an endpoint have no column, as in ../0006_told_fields.sql.
ALTER TABLE provisioning.fetches ADD told_fields text NULL;
GO

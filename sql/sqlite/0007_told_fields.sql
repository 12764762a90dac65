-- Which fields of an endpoint have no column, as in ../0007_told_fields.sql.
ALTER TABLE provisioning.fetches ADD told_fields text NULL;
GO

-- Which fields of an endpoint have no column, as they were told: a JSON array of their names; each is told once.
ALTER TABLE provisioning.fetches ADD told_fields nvarchar(max) NULL;
GO

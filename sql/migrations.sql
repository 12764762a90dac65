-- Which scripts have been applied. Run by migrate before anything else.
CREATE SCHEMA provisioning
GO
CREATE TABLE provisioning.migrations (
    script varchar(100) NOT NULL,
    applied_at datetime2(7) NOT NULL,
    CONSTRAINT PK_migrations PRIMARY KEY (script)
);
GO

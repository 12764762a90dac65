-- Roles and the least rights of each. Run by every migrate, since a changed view loses its grants.
IF DATABASE_PRINCIPAL_ID('provisioning_app') IS NULL CREATE ROLE provisioning_app;
GO
IF DATABASE_PRINCIPAL_ID('hr_reader') IS NULL CREATE ROLE hr_reader;
GO
-- For whoever runs purge and forget, beside provisioning_app: the app itself never deletes people from the mirror.
IF DATABASE_PRINCIPAL_ID('provisioning_eraser') IS NULL CREATE ROLE provisioning_eraser;
GO
GRANT SELECT, INSERT, UPDATE ON dbo.Employees TO provisioning_app;
GRANT SELECT, INSERT, UPDATE ON dbo.Organizations TO provisioning_app;
GRANT SELECT, INSERT, UPDATE ON dbo.Locations TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON dbo.AbsentRecords TO provisioning_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.UserNames TO provisioning_app;
GRANT SELECT ON dbo.ScimUsers TO provisioning_app;
GRANT SELECT ON provisioning.migrations TO provisioning_app;
GRANT SELECT, INSERT, UPDATE ON provisioning.ledger TO provisioning_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON provisioning.intents TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.forced TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.refused TO provisioning_app;
GRANT SELECT, INSERT, UPDATE ON provisioning.leases TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.calls TO provisioning_app;
GRANT SELECT, INSERT, UPDATE ON provisioning.fetches TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.refreshes TO provisioning_app;
GRANT SELECT, INSERT, UPDATE ON provisioning.runs TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.disables TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.disabled_by_hand TO provisioning_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON provisioning.holds TO provisioning_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON provisioning.held_people TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.mappings TO provisioning_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON provisioning.resyncs TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.outcomes TO provisioning_app;
GRANT SELECT, INSERT, UPDATE ON provisioning.log_reads TO provisioning_app;
GRANT SELECT, INSERT, DELETE ON provisioning.history TO provisioning_app;
GRANT SELECT ON provisioning.tombstones TO provisioning_app;
GRANT SELECT ON provisioning.hash_keys TO provisioning_app;
GRANT SELECT, INSERT, UPDATE ON dbo.EmployeeAccounts TO provisioning_app;
GO
GRANT SELECT, DELETE ON dbo.Employees TO provisioning_eraser;
GRANT SELECT, DELETE ON dbo.EmployeeAccounts TO provisioning_eraser;
GRANT SELECT, DELETE ON provisioning.ledger TO provisioning_eraser;
GRANT SELECT, INSERT, DELETE ON provisioning.tombstones TO provisioning_eraser;
GRANT SELECT, INSERT ON provisioning.hash_keys TO provisioning_eraser;
GO
-- The app compares the mapping with the one approved. Compatible servers show definitions to all and lack this right.
IF SERVERPROPERTY('Babelfish') IS NULL
    EXEC ('GRANT VIEW DEFINITION ON dbo.ScimUsers TO provisioning_app');
GO
GRANT SELECT ON dbo.CurrentEmployees TO hr_reader;
GRANT SELECT ON dbo.EmployeeAccounts TO hr_reader;
GRANT SELECT ON dbo.UserNames TO hr_reader;
GRANT SELECT ON dbo.Organizations TO hr_reader;
GRANT SELECT ON dbo.Locations TO hr_reader;
GO

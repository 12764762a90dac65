-- A script has been applied.
-- Parameters: script
INSERT INTO provisioning.migrations (script, applied_at) VALUES (?, SYSUTCDATETIME())

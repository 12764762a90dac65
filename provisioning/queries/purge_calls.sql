-- Calls older than two days count for nothing any more.
-- Parameters: none
DELETE FROM provisioning.calls WHERE called_at < DATEADD(second, -172800, SYSUTCDATETIME())

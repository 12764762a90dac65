-- These people have left for good: from now on the years count after which their names are free again.
-- Parameters: employee_ids (JSON array)
UPDATE dbo.UserNames
SET ReleasedAt = SYSUTCDATETIME()
WHERE HeldBy IN (SELECT k.value FROM OPENJSON(?) AS k)

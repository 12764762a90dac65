-- Whoever is in the mapping again holds her name as before: it is not released any more.
-- Parameters: none
UPDATE dbo.UserNames
SET ReleasedAt = NULL
WHERE
    ReleasedAt IS NOT NULL AND HeldBy = EmployeeId
    AND EmployeeId IN (SELECT CAST(v.EmployeeId AS nvarchar(64)) FROM dbo.ScimUsers AS v WHERE v.EmployeeId IS NOT NULL)

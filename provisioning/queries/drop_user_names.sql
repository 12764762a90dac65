-- Names released before a time are free again: of people who are gone, then the aliases of whoever has no name left.
-- Parameters: before, before
DELETE FROM dbo.UserNames WHERE ReleasedAt < ? AND (EmployeeId IS NULL OR HeldBy = EmployeeId);
DELETE FROM dbo.UserNames
WHERE ReleasedAt < ? AND EmployeeId NOT IN (SELECT u.HeldBy FROM dbo.UserNames AS u);

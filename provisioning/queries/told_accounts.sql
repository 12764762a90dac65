-- The user names that Entra has told of these people's accounts, for whichever target; the newest last.
-- Parameters: employee_ids (JSON array)
SELECT
    a.EmployeeId,
    a.UserPrincipalName
FROM dbo.EmployeeAccounts AS a
WHERE a.UserPrincipalName IS NOT NULL AND a.EmployeeId IN (SELECT k.value FROM OPENJSON(?) AS k)
ORDER BY a.OutcomeAt

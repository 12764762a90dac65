-- People of the mapping who have no user name, and were never sent to a target.
-- Parameters: target
SELECT v.EmployeeId
FROM dbo.ScimUsers AS v
WHERE
    v.EmployeeId IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM dbo.UserNames AS u WHERE u.HeldBy = CAST(v.EmployeeId AS nvarchar(64)))
    AND NOT EXISTS (
        SELECT 1 FROM provisioning.ledger AS l
        WHERE l.target = ? AND l.employee_id = v.EmployeeId
    )

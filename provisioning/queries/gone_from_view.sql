-- People ever sent to a target who are no longer in the mapping at all.
-- Parameters: target
SELECT
    l.employee_id,
    l.external_id
FROM provisioning.ledger AS l
WHERE
    l.target = ?
    AND l.employee_id NOT IN (SELECT v.EmployeeId FROM dbo.ScimUsers AS v WHERE v.EmployeeId IS NOT NULL)

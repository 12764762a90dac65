-- People whose last state sent (or perhaps sent) was active and who are no longer in the mapping at all.
-- Parameters: target, target
SELECT s.employee_id
FROM (
    SELECT l.employee_id FROM provisioning.ledger AS l WHERE l.target = ? AND l.active = 1
    UNION
    SELECT i.employee_id FROM provisioning.intents AS i WHERE i.target = ? AND i.active = 1 AND i.answered = 0
) AS s
WHERE s.employee_id NOT IN (SELECT v.EmployeeId FROM dbo.ScimUsers AS v WHERE v.EmployeeId IS NOT NULL)
ORDER BY s.employee_id

-- ExternalIds of people who failed after they were last sent: Entra tries them again by itself.
-- Parameters: target, seconds (negative)
SELECT l.external_id
FROM provisioning.ledger AS l
WHERE
    l.target = ?
    AND EXISTS (
        SELECT 1 FROM provisioning.outcomes AS o
        WHERE
            o.target = l.target AND o.employee_id = l.employee_id AND o.status = 'failure'
            AND o.activity_at >= DATEADD(second, ?, l.posted_at)
    )

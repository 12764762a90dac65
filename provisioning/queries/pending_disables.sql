-- Who is disabled by hand and may still be active over there, since what disables her has not gone yet.
-- Parameters: target
SELECT b.employee_id
FROM provisioning.disabled_by_hand AS b
WHERE
    b.target = ?
    AND (
        EXISTS (
            SELECT 1 FROM provisioning.ledger AS l
            WHERE l.target = b.target AND l.employee_id = b.employee_id AND l.active = 1
        )
        OR EXISTS (
            SELECT 1 FROM provisioning.intents AS i
            WHERE i.target = b.target AND i.employee_id = b.employee_id AND i.active = 1
        )
    )

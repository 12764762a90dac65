-- What is known of one person over all targets: how many know her, as active, and how many sendings are in doubt.
-- Parameters: employee_id, employee_id, employee_id
SELECT
    (SELECT COUNT(*) FROM provisioning.ledger AS l WHERE l.employee_id = ?) AS known,
    (SELECT COUNT(*) FROM provisioning.ledger AS a WHERE a.employee_id = ? AND a.active = 1) AS active,
    (SELECT COUNT(*) FROM provisioning.intents AS i WHERE i.employee_id = ?) AS in_doubt

-- Put people into a hold, with the hash that is due.
-- Parameters: hold_id, people (JSON object: employee_id → hash), hold_id
INSERT INTO provisioning.held_people (hold_id, employee_id, user_hash)
SELECT ?, k.[key], k.value
FROM OPENJSON(?) AS k
WHERE NOT EXISTS (
    SELECT 1 FROM provisioning.held_people AS p WHERE p.hold_id = ? AND p.employee_id = k.[key]
)

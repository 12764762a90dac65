-- Put people into a hold, with the hash that is due.
-- Parameters: hold_id, people (JSON object: employee_id → hash)
INSERT INTO provisioning.held_people (hold_id, employee_id, user_hash)
SELECT ?, k.[key], k.value
FROM OPENJSON(?) AS k

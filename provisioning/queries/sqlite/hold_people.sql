-- Put people into a hold, with the hash that is due.
-- Parameters: hold_id, people (JSON array of objects), hold_id
INSERT INTO provisioning.held_people (hold_id, employee_id, user_hash)
SELECT
    ?,
    json_extract(j.value, '$.employee_id'),
    json_extract(j.value, '$.user_hash')
FROM json_each(?) AS j
WHERE NOT EXISTS (
    SELECT 1 FROM provisioning.held_people AS p
    WHERE p.hold_id = ? AND p.employee_id = json_extract(j.value, '$.employee_id')
)

-- Put people into a hold, with the hash that is due.
-- Parameters: hold_id, people (JSON array of objects), hold_id
INSERT INTO provisioning.held_people (hold_id, employee_id, user_hash)
SELECT ?, j.employee_id, j.user_hash
FROM OPENJSON(?) WITH (
    employee_id nvarchar(64) '$.employee_id',
    user_hash char(64) '$.user_hash'
) AS j
WHERE NOT EXISTS (
    SELECT 1 FROM provisioning.held_people AS p WHERE p.hold_id = ? AND p.employee_id = j.employee_id
)

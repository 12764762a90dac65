-- Who is in a hold, with the hash that was due.
-- Parameters: hold_id
SELECT
    p.employee_id,
    p.user_hash
FROM provisioning.held_people AS p
WHERE p.hold_id = ?
ORDER BY p.employee_id

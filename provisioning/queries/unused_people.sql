-- People of a hold for whom its approval was not used.
-- Parameters: hold_id
SELECT
    p.employee_id,
    p.user_hash
FROM provisioning.held_people AS p
WHERE p.hold_id = ? AND p.used_at IS NULL

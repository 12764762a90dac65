-- Who waits for approval, hold by hold.
-- Parameters: target
SELECT
    p.hold_id,
    p.employee_id,
    p.user_hash
FROM provisioning.holds AS h
INNER JOIN provisioning.held_people AS p ON p.hold_id = h.hold_id
WHERE h.target = ? AND h.approved_at IS NULL AND h.ended_at IS NULL
ORDER BY p.hold_id, p.employee_id

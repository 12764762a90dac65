-- People of a hold for whom its approval was not used, without those whom Graph has refused as they were approved.
-- Parameters: hold_id
SELECT
    p.employee_id,
    p.user_hash
FROM provisioning.held_people AS p
INNER JOIN provisioning.holds AS h ON h.hold_id = p.hold_id
WHERE
    p.hold_id = ? AND p.used_at IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM provisioning.refused AS r
        WHERE r.target = h.target AND r.employee_id = p.employee_id AND r.user_hash = p.user_hash
    )

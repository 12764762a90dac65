-- Whom an approval covers now: with this hash, and only until it was used.
-- Parameters: target
SELECT
    p.employee_id,
    p.user_hash
FROM provisioning.holds AS h
INNER JOIN provisioning.held_people AS p ON p.hold_id = h.hold_id
WHERE h.target = ? AND h.approved_at IS NOT NULL AND h.expires_at > SYSUTCDATETIME() AND p.used_at IS NULL

-- Whom an approval covers now: with this hash, only until it was used, and not before the day it is for.
-- Parameters: target, due_on
SELECT
    p.employee_id,
    p.user_hash
FROM provisioning.holds AS h
INNER JOIN provisioning.held_people AS p ON p.hold_id = h.hold_id
WHERE
    h.target = ? AND h.approved_at IS NOT NULL AND h.expires_at > SYSUTCDATETIME() AND p.used_at IS NULL
    AND (h.due_on IS NULL OR h.due_on <= ?)

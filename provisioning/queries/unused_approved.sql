-- Whom an approval was given for and who has not gone since: with other data than was approved she goes on waiting.
-- Parameters: target
SELECT
    h.class,
    h.detail,
    p.employee_id
FROM provisioning.holds AS h
INNER JOIN provisioning.held_people AS p ON p.hold_id = h.hold_id
WHERE
    h.target = ? AND h.approved_at IS NOT NULL AND h.ended_at IS NULL AND p.used_at IS NULL
    AND h.class <> 'mapping' AND h.due_on IS NULL

-- One hold, whatever became of it.
-- Parameters: hold_id
SELECT
    h.target,
    h.class,
    h.detail,
    h.due_on,
    h.approved_at,
    h.approved_by,
    h.ended_at
FROM provisioning.holds AS h
WHERE h.hold_id = ?

-- What waits for approval.
-- Parameters: target
SELECT
    h.hold_id,
    h.class,
    h.detail,
    h.job,
    h.reason,
    h.attributes,
    h.due_on,
    h.held_at
FROM provisioning.holds AS h
WHERE h.target = ? AND h.approved_at IS NULL AND h.ended_at IS NULL
ORDER BY h.held_at, h.hold_id

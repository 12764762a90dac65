-- The holds that a run has opened and that wait today: how many people each has.
-- Parameters: run_id
SELECT
    h.hold_id,
    h.class,
    COUNT(*) AS people
FROM provisioning.holds AS h
INNER JOIN provisioning.runs AS r ON r.run_id = h.run_id
INNER JOIN provisioning.held_people AS p ON p.hold_id = h.hold_id
WHERE h.run_id = ? AND h.held_at >= r.started_at AND h.due_on IS NULL AND h.approved_at IS NULL AND h.ended_at IS NULL
GROUP BY h.hold_id, h.class
ORDER BY h.class, h.hold_id

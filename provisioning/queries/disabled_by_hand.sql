-- Who is disabled by hand, since when, and by whom.
-- Parameters: target
SELECT
    b.employee_id,
    b.disabled_at,
    b.disabled_by
FROM provisioning.disabled_by_hand AS b
WHERE b.target = ?
ORDER BY b.disabled_at, b.employee_id

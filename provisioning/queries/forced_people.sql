-- Who was forced and waits for the sender at work, the longest waiting first.
-- Parameters: target
SELECT f.employee_id, f.token FROM provisioning.forced AS f WHERE f.target = ? ORDER BY f.requested_at, f.employee_id

-- What was last sent of these people, as far as it is still kept.
-- Parameters: target, employee_ids (JSON array)
SELECT
    l.employee_id,
    l.scim_user
FROM provisioning.ledger AS l
WHERE l.target = ? AND l.cleared_at IS NULL AND l.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)

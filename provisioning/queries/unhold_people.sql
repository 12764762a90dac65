-- Take people out of a hold that waits.
-- Parameters: hold_id, employee_ids (JSON array)
DELETE FROM provisioning.held_people
WHERE hold_id = ? AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)

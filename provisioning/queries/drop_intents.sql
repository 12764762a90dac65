-- A definite refusal: what was about to be sent was not.
-- Parameters: target, run_id, employee_ids (JSON array)
DELETE FROM provisioning.intents
WHERE target = ? AND run_id = ? AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)

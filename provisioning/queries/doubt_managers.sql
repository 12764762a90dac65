-- A request is taken apart: whether the managers of these people go before them is no longer known.
-- Parameters: target, run_id, employee_ids (JSON array)
UPDATE provisioning.intents
SET manager_known = 0
WHERE target = ? AND run_id = ? AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)

-- Which of these entries of the log are kept already.
-- Parameters: target, keys (JSON array)
SELECT o.entry_id
FROM provisioning.outcomes AS o
WHERE o.target = ? AND o.entry_id IN (SELECT k.value FROM OPENJSON(?) AS k)

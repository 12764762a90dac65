-- A 202: what the intents carry becomes what was last sent. One that another run has overtaken stays in doubt.
-- Parameters: target, run_id, employee_ids (JSON), target, run_id, employee_ids, target, run_id, employee_ids,
-- target, run_id, employee_ids, target, run_id, employee_ids, target, run_id, employee_ids, target, employee_ids,
-- target, run_id, employee_ids, seconds (negative), target, run_id, employee_ids, target, run_id, employee_ids
UPDATE provisioning.ledger
SET
    external_id = i.external_id, user_hash = i.user_hash, scim_user = i.scim_user, active = i.active,
    valid_to_since = CASE
        WHEN ledger.valid_to = i.valid_to THEN ledger.valid_to_since
        ELSE SYSUTCDATETIME()
    END,
    valid_to = i.valid_to, modified_date_time = i.modified_date_time, manager_known = i.manager_known,
    sent_at = SYSUTCDATETIME(), run_id = i.run_id, protected = i.protected, posted_at = i.created_at,
    inactive_since = CASE
        WHEN i.active = 1 THEN NULL
        WHEN ledger.active = 0 THEN ledger.inactive_since
        ELSE SYSUTCDATETIME()
    END,
    cleared_at = NULL, retry_at = NULL
FROM provisioning.intents AS i
WHERE
    i.target = ? AND i.run_id = ? AND i.answered = 0
    AND i.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)
    AND ledger.target = i.target AND ledger.employee_id = i.employee_id;
INSERT INTO provisioning.ledger (
    target, employee_id, external_id, user_hash, scim_user, active, valid_to, modified_date_time, manager_known,
    sent_at, run_id, valid_to_since, protected, posted_at, inactive_since
)
SELECT
    i.target, i.employee_id, i.external_id, i.user_hash, i.scim_user, i.active, i.valid_to, i.modified_date_time,
    i.manager_known, SYSUTCDATETIME(), i.run_id, SYSUTCDATETIME(), i.protected, i.created_at,
    CASE WHEN i.active = 0 THEN SYSUTCDATETIME() END
FROM provisioning.intents AS i
WHERE
    i.target = ? AND i.run_id = ? AND i.answered = 0
    AND i.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)
    AND NOT EXISTS (
        SELECT 1 FROM provisioning.ledger AS l WHERE l.target = i.target AND l.employee_id = i.employee_id
    );
INSERT INTO provisioning.history (target, employee_id, happened_at, kind, run_id, active, attributes)
SELECT i.target, i.employee_id, SYSUTCDATETIME(), 'sent', i.run_id, i.active, i.attributes
FROM provisioning.intents AS i
WHERE i.target = ? AND i.run_id = ? AND i.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);
DELETE FROM provisioning.forced
WHERE token IN (
    SELECT i.forced_token FROM provisioning.intents AS i
    WHERE
        i.target = ? AND i.run_id = ? AND i.forced_token IS NOT NULL
        AND i.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)
);
INSERT INTO provisioning.disables (target, employee_id, run_id, disabled_at)
SELECT i.target, i.employee_id, i.run_id, SYSUTCDATETIME()
FROM provisioning.intents AS i
WHERE
    i.target = ? AND i.run_id = ? AND i.counts_as_disable = 1
    AND i.employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);
UPDATE provisioning.held_people
SET used_at = SYSUTCDATETIME()
WHERE
    used_at IS NULL
    AND EXISTS (
        SELECT 1 FROM provisioning.holds AS h
        INNER JOIN provisioning.intents AS i ON i.target = h.target
        WHERE
            h.hold_id = held_people.hold_id AND h.approved_at IS NOT NULL
            AND i.target = ? AND i.run_id = ? AND i.employee_id = held_people.employee_id
            AND i.created_at >= h.approved_at
    )
    AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);
DELETE FROM provisioning.refused
WHERE target = ? AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);
DELETE FROM provisioning.intents
WHERE
    target = ? AND run_id <> ? AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k)
    AND created_at < DATEADD(second, ?, SYSUTCDATETIME());
UPDATE provisioning.intents
SET answered = 1
WHERE target = ? AND run_id <> ? AND answered = 0 AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);
DELETE FROM provisioning.intents
WHERE target = ? AND run_id = ? AND answered = 0 AND employee_id IN (SELECT k.value FROM OPENJSON(?) AS k);

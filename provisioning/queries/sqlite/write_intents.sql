-- Say what is about to be sent, if the lease is still one's own; said twice by a run, it stands there once.
-- Parameters: target, run_id, people (JSON array of objects), lease, owner, epoch, target, run_id
INSERT INTO provisioning.intents (
    target, run_id, employee_id, external_id, user_hash, scim_user, active, valid_to, modified_date_time,
    manager_known, forced_token, counts_as_disable, protected, attributes, answered,
    created_at
)
SELECT
    ?,
    ?,
    json_extract(j.value, '$.employee_id'),
    json_extract(j.value, '$.external_id'),
    json_extract(j.value, '$.user_hash'),
    json_extract(j.value, '$.scim_user'),
    json_extract(j.value, '$.active'),
    json_extract(j.value, '$.valid_to'),
    json_extract(j.value, '$.modified_date_time'),
    json_extract(j.value, '$.manager_known'),
    json_extract(j.value, '$.forced_token'),
    json_extract(j.value, '$.counts_as_disable'),
    json_extract(j.value, '$.protected'),
    json_extract(j.value, '$.attributes'),
    0,
    SYSUTCDATETIME()
FROM json_each(?) AS j
WHERE
    EXISTS (
        SELECT 1 FROM provisioning.leases AS l
        WHERE l.name = ? AND l.owner = ? AND l.epoch = ? AND l.expires_at > SYSUTCDATETIME()
    )
    AND NOT EXISTS (
        SELECT 1 FROM provisioning.intents AS i
        WHERE
            i.target = ? AND i.run_id = ? AND i.employee_id = json_extract(j.value, '$.employee_id')
            AND i.user_hash = json_extract(j.value, '$.user_hash')
    )

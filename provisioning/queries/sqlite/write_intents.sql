-- Say what is about to be sent, if the lease is still one's own.
-- Parameters: target, run_id, people (JSON array of objects), lease, owner, epoch
INSERT INTO provisioning.intents (
    target, run_id, employee_id, external_id, user_hash, scim_user, active, valid_to, modified_date_time,
    manager_known, forced_token, counts_as_disable, protected, answered, created_at
)
SELECT
    ?,
    ?,
    json_extract(value, '$.employee_id'),
    json_extract(value, '$.external_id'),
    json_extract(value, '$.user_hash'),
    json_extract(value, '$.scim_user'),
    json_extract(value, '$.active'),
    json_extract(value, '$.valid_to'),
    json_extract(value, '$.modified_date_time'),
    json_extract(value, '$.manager_known'),
    json_extract(value, '$.forced_token'),
    json_extract(value, '$.counts_as_disable'),
    json_extract(value, '$.protected'),
    0,
    SYSUTCDATETIME()
FROM json_each(?)
WHERE EXISTS (
    SELECT 1 FROM provisioning.leases AS l
    WHERE l.name = ? AND l.owner = ? AND l.epoch = ? AND l.expires_at > SYSUTCDATETIME()
)

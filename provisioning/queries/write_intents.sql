-- Say what is about to be sent, if the lease is still one's own; said twice by a run, it stands there once.
-- Parameters: target, run_id, people (JSON array of objects), lease, owner, epoch, target, run_id
INSERT INTO provisioning.intents (
    target, run_id, employee_id, external_id, user_hash, scim_user, active, valid_to, modified_date_time,
    manager_known, forced_token, counts_as_disable, protected, attributes, answered,
    created_at
)
SELECT
    ?, ?, j.employee_id, j.external_id, j.user_hash, j.scim_user, j.active, j.valid_to, j.modified_date_time,
    j.manager_known, j.forced_token, j.counts_as_disable, j.protected, j.attributes, 0,
    SYSUTCDATETIME()
FROM OPENJSON(?) WITH (
    employee_id nvarchar(64) '$.employee_id',
    external_id nvarchar(200) '$.external_id',
    user_hash char(64) '$.user_hash',
    scim_user nvarchar(max) '$.scim_user' AS JSON,
    active bit '$.active',
    valid_to date '$.valid_to',
    modified_date_time varchar(33) '$.modified_date_time',
    manager_known bit '$.manager_known',
    forced_token varchar(36) '$.forced_token',
    counts_as_disable bit '$.counts_as_disable',
    protected bit '$.protected',
    attributes nvarchar(max) '$.attributes' AS JSON
) AS j
WHERE
    EXISTS (
        SELECT 1 FROM provisioning.leases AS l
        WHERE l.name = ? AND l.owner = ? AND l.epoch = ? AND l.expires_at > SYSUTCDATETIME()
    )
    AND NOT EXISTS (
        SELECT 1 FROM provisioning.intents AS i
        WHERE i.target = ? AND i.run_id = ? AND i.employee_id = j.employee_id AND i.user_hash = j.user_hash
    )

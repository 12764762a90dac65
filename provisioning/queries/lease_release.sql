-- Give a lease back, unless forced people are waiting whom its holder has not dealt with.
-- Parameters: name, owner, epoch, name, owner, epoch, target, tokens (JSON array)
UPDATE provisioning.leases
SET expires_at = expires_at
WHERE name = ? AND owner = ? AND epoch = ?;
UPDATE provisioning.leases
SET owner = NULL, expires_at = SYSUTCDATETIME()
WHERE
    name = ? AND owner = ? AND epoch = ?
    AND NOT EXISTS (
        SELECT 1 FROM provisioning.forced AS f
        WHERE f.target = ? AND f.token NOT IN (SELECT k.value FROM OPENJSON(?) AS k)
    );

-- Forced people who cannot or need not be sent wait no longer.
-- Parameters: target, tokens (JSON array)
DELETE FROM provisioning.forced WHERE target = ? AND token IN (SELECT k.value FROM OPENJSON(?) AS k)

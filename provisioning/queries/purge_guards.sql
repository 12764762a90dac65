-- Forget what no guard counts any more, and holds that have ended, so many seconds after they began.
-- Parameters: seconds (negative), seconds (negative)
DELETE FROM provisioning.disables WHERE disabled_at < DATEADD(second, -172800, SYSUTCDATETIME());
DELETE FROM provisioning.resyncs WHERE asked_at < DATEADD(second, -172800, SYSUTCDATETIME());
DELETE FROM provisioning.held_people
WHERE hold_id IN (
    SELECT h.hold_id FROM provisioning.holds AS h
    WHERE
        h.held_at < DATEADD(second, ?, SYSUTCDATETIME()) AND h.ended_at IS NOT NULL
);
DELETE FROM provisioning.holds
WHERE held_at < DATEADD(second, ?, SYSUTCDATETIME()) AND ended_at IS NOT NULL;

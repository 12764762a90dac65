-- Approvals whose time is over.
-- Parameters: target
SELECT
    h.hold_id,
    h.class,
    h.detail,
    h.reason
FROM provisioning.holds AS h
WHERE h.target = ? AND h.approved_at IS NOT NULL AND h.ended_at IS NULL AND h.expires_at <= SYSUTCDATETIME()

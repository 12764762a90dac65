-- When somebody was last sent to a target.
-- Parameters: target
SELECT MAX(l.sent_at) AS newest FROM provisioning.ledger AS l WHERE l.target = ?

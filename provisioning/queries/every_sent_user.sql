-- What was last sent of everybody, as far as it is still kept.
-- Parameters: target
SELECT l.scim_user FROM provisioning.ledger AS l WHERE l.target = ? AND l.cleared_at IS NULL

-- What was last sent of everybody.
-- Parameters: target
SELECT l.scim_user FROM provisioning.ledger AS l WHERE l.target = ?

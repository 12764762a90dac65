-- How many people were ever sent to a target.
-- Parameters: target
SELECT COUNT(*) AS people FROM provisioning.ledger AS l WHERE l.target = ?

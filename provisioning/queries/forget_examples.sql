-- Holds whose examples name somebody lose their examples: they quote what was sent of her.
-- Parameters: pattern
UPDATE provisioning.holds SET attributes = NULL WHERE attributes LIKE ?

-- Of a name whose holder is forgotten keyed hashes stay, so that nobody else gets it.
-- Parameters: name_hash, nickname_hash, key_hash, key_hash, name_key
UPDATE dbo.UserNames
SET
    EmployeeId = NULL, UserName = ?, MailNickname = ?, FormerUserName = NULL,
    ReleasedAt = COALESCE(ReleasedAt, SYSUTCDATETIME()), NameKey = ?, HeldBy = CONCAT('=', ?)
WHERE NameKey = ?

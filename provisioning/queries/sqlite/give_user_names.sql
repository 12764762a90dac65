-- Give user names to people, unless somebody has the name, or she has one, by now; given twice, they are given once.
-- Parameters: rows (JSON array of objects)
INSERT INTO dbo.UserNames (EmployeeId, UserName, MailNickname, FormerUserName, GivenAt, ReleasedAt, NameKey, HeldBy)
SELECT
    json_extract(j.value, '$.employee_id'),
    json_extract(j.value, '$.user_name'),
    json_extract(j.value, '$.mail_nickname'),
    json_extract(j.value, '$.former_user_name'),
    SYSUTCDATETIME(),
    NULL,
    json_extract(j.value, '$.name_key'),
    json_extract(j.value, '$.held_by')
FROM json_each(?) AS j
WHERE
    NOT EXISTS (SELECT 1 FROM dbo.UserNames AS n WHERE n.NameKey = json_extract(j.value, '$.name_key'))
    AND NOT EXISTS (SELECT 1 FROM dbo.UserNames AS h WHERE h.HeldBy = json_extract(j.value, '$.held_by'))

-- Give user names to people, unless somebody has the name, or she has one, by now; given twice, they are given once.
-- Parameters: rows (JSON array of objects)
INSERT INTO dbo.UserNames (EmployeeId, UserName, MailNickname, FormerUserName, GivenAt, ReleasedAt, NameKey, HeldBy)
SELECT
    j.employee_id, j.user_name, j.mail_nickname, j.former_user_name, SYSUTCDATETIME(), NULL, j.name_key, j.held_by
FROM OPENJSON(?) WITH (
    employee_id nvarchar(64) '$.employee_id',
    user_name nvarchar(113) '$.user_name',
    mail_nickname nvarchar(64) '$.mail_nickname',
    former_user_name nvarchar(113) '$.former_user_name',
    name_key nvarchar(113) '$.name_key',
    held_by nvarchar(114) '$.held_by'
) AS j
WHERE
    NOT EXISTS (SELECT 1 FROM dbo.UserNames AS n WITH (UPDLOCK, HOLDLOCK) WHERE n.NameKey = j.name_key)
    AND NOT EXISTS (SELECT 1 FROM dbo.UserNames AS h WITH (UPDLOCK, HOLDLOCK) WHERE h.HeldBy = j.held_by)

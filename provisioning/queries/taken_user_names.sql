-- Names that nobody else may get, given here or told by Entra; of whoever was forgotten, only a keyed hash is left.
-- Parameters: none
SELECT
    u.UserName,
    u.MailNickname,
    CASE WHEN u.EmployeeId IS NULL AND u.ReleasedAt IS NOT NULL THEN 1 ELSE 0 END AS is_hidden
FROM dbo.UserNames AS u
UNION ALL
SELECT
    a.UserPrincipalName,
    NULL,
    0
FROM dbo.EmployeeAccounts AS a
WHERE a.UserPrincipalName IS NOT NULL

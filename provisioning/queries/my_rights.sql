-- What this login may do here: on tables and views, in the database as a whole, and through which roles.
-- Parameters: none
SELECT
    'object' AS kind,
    s.name + '.' + o.name AS name,
    p.permission
FROM sys.objects AS o
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
CROSS JOIN (
    SELECT 'SELECT' AS permission
    UNION ALL
    SELECT 'INSERT'
    UNION ALL
    SELECT 'UPDATE'
    UNION ALL
    SELECT 'DELETE'
    UNION ALL
    SELECT 'ALTER'
    UNION ALL
    SELECT 'CONTROL'
    UNION ALL
    SELECT 'VIEW DEFINITION'
) AS p
WHERE
    o.type IN ('U', 'V')
    AND HAS_PERMS_BY_NAME(QUOTENAME(s.name) + '.' + QUOTENAME(o.name), 'OBJECT', p.permission) = 1
UNION ALL
SELECT
    'database',
    '',
    p.permission
FROM (
    SELECT 'CONTROL' AS permission
    UNION ALL
    SELECT 'ALTER'
    UNION ALL
    SELECT 'SELECT'
    UNION ALL
    SELECT 'INSERT'
    UNION ALL
    SELECT 'UPDATE'
    UNION ALL
    SELECT 'DELETE'
    UNION ALL
    SELECT 'EXECUTE'
    UNION ALL
    SELECT 'CREATE TABLE'
    UNION ALL
    SELECT 'CREATE VIEW'
    UNION ALL
    SELECT 'ALTER ANY SCHEMA'
    UNION ALL
    SELECT 'ALTER ANY USER'
    UNION ALL
    SELECT 'ALTER ANY ROLE'
) AS p
WHERE HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', p.permission) = 1
UNION ALL
SELECT
    'role',
    r.name,
    'member'
FROM sys.database_principals AS r
WHERE r.type = 'R' AND r.name <> 'public' AND IS_ROLEMEMBER(r.name) = 1

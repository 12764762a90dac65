-- The app's user in the database: a member of provisioning_app, and of nothing else. Run by database-user.sh.
-- By its client id (SID, TYPE = E) the server need not look into the directory, for which it would need a role there.
SET NOCOUNT ON;
SET XACT_ABORT ON;

DECLARE @name AS sysname = N'$(AppIdentityName)';
DECLARE @sid AS varbinary(16) = CONVERT(varbinary(16), CONVERT(uniqueidentifier, '$(AppIdentityClientId)'));
DECLARE @statement AS nvarchar(max);
DECLARE @excess AS nvarchar(max);
DECLARE @problem AS nvarchar(2048);

IF DATABASE_PRINCIPAL_ID('provisioning_app') IS NULL
    THROW 50001, 'The role provisioning_app is missing: run migrate first.', 1;

BEGIN TRANSACTION;

-- An identity that was made anew has the old name and another client id; the old user would let nobody in.
IF EXISTS (SELECT 1 FROM sys.database_principals AS p WHERE p.name = @name AND p.sid <> @sid)
BEGIN
    SET @statement = N'DROP USER ' + QUOTENAME(@name) + N';';
    EXEC sys.sp_executesql @statement;
END;

IF NOT EXISTS (SELECT 1 FROM sys.database_principals AS p WHERE p.name = @name)
BEGIN
    SET @statement
        = N'CREATE USER ' + QUOTENAME(@name) + N' WITH SID = ' + CONVERT(nvarchar(34), @sid, 1) + N', TYPE = E;';
    EXEC sys.sp_executesql @statement;
END;

SET @statement = N'ALTER ROLE provisioning_app ADD MEMBER ' + QUOTENAME(@name) + N';';
EXEC sys.sp_executesql @statement;

COMMIT TRANSACTION;

-- Whatever else it may do was given by hand, and is told, not taken.
SELECT @excess = STRING_AGG(x.what, N', ')
FROM (
    SELECT N'member of ' + r.name AS what
    FROM sys.database_role_members AS m
    INNER JOIN sys.database_principals AS r ON r.principal_id = m.role_principal_id
    WHERE m.member_principal_id = DATABASE_PRINCIPAL_ID(@name) AND r.name <> N'provisioning_app'
    UNION ALL
    SELECT g.permission_name + N' of its own'
    FROM sys.database_permissions AS g
    WHERE g.grantee_principal_id = DATABASE_PRINCIPAL_ID(@name) AND g.permission_name <> N'CONNECT'
) AS x;

IF @excess IS NOT NULL
BEGIN
    SET @problem
        = @name + N' may do more than the app needs: ' + LEFT(@excess, 1500) + N'. Take it away, then run this again.';
    THROW 50002, @problem, 1;
END;

PRINT @name + N' is a member of provisioning_app, and of nothing else.';

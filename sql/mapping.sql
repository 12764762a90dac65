-- The mapping: one row per person, one column per SCIM attribute, named as Entra's portal names it.
-- This file is yours. Change it, look at `SELECT * FROM dbo.ScimUsers`, then: python -m provisioning migrate --mapping
--
-- Control columns (exact names, never sent): EmployeeId (required), ValidFrom, ValidTo, InScope, Protected, TimeZone,
-- ModifiedDateTime. All others are SCIM paths; @HH:MM makes a date the UTC instant of that local time.
-- No clock (GETDATE) and no WHERE here: the app does the dates, and InScope says who is sent.
CREATE VIEW dbo.ScimUsers AS
SELECT
    e.EmployeeId,
    e.ValidFrom,
    e.ValidTo,
    e.ModifiedDateTime,
    CASE WHEN e.OrganizationId IS NULL THEN 0 ELSE 1 END AS InScope,
    e.EmployeeId AS 'externalId',
    COALESCE(u.UserName, e.EmployeeId) AS 'userName', -- the name that was given, where USER_NAME_PATTERNS is set
    e.Active AS 'active',
    e.Name_FullName AS 'displayName',
    e.Name_FirstName AS 'name.givenName',
    e.Name_MiddleName AS 'name.middleName',
    e.Name_LastName AS 'name.familyName',
    e.NickName AS 'nickName',
    e.Title AS 'title',
    e.JobType_Description AS 'userType',
    e.LanguageId AS 'preferredLanguage',
    e.Email AS 'emails[type eq "work"].value',
    u.FormerUserName AS 'emails[type eq "other"].value', -- the one before a rename
    e.Office AS 'addresses[type eq "work"].formatted',
    e.Location_Name AS 'addresses[type eq "work"].locality',
    e.EmployeeId AS 'enterprise:employeeNumber',
    e.OrganizationName AS 'enterprise:department',
    e.ManagerId AS 'enterprise:manager.value',
    e.HiredDate AS 'hr:HireDate@05:00',
    COALESCE(e.TerminatedDate, e.ValidTo) AS 'hr:LeaveDate@22:00'
FROM dbo.Employees AS e
LEFT JOIN dbo.UserNames AS u ON u.HeldBy = e.EmployeeId;

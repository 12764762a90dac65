-- The mapping for "preset": "bamboohr": one row per person, one column per SCIM attribute.
-- Needs dbo.Employees.Status (employees_status.sql); copy it over sql/mapping.sql. Where each column comes from, and
-- what is not known of it: docs/presets.md.
CREATE VIEW dbo.ScimUsers AS
SELECT
    e.EmployeeId,
    e.HiredDate AS ValidFrom,
    -- An end that lies before the hire date is one of an earlier employment.
    CASE WHEN e.HiredDate IS NULL OR e.TerminatedDate >= e.HiredDate THEN e.TerminatedDate END AS ValidTo,
    1 AS InScope,
    e.EmployeeId AS 'externalId',
    COALESCE(u.UserName, e.EmployeeId) AS 'userName', -- the name that was given, where USER_NAME_PATTERNS is set
    -- Any other word leaves it null: that person is parked until this says what the word means.
    CASE LOWER(e.Status) WHEN 'active' THEN 1 WHEN 'inactive' THEN 0 END AS 'active',
    COALESCE(e.Name_FullName, LTRIM(RTRIM(CONCAT(e.Name_FirstName, ' ', e.Name_LastName)))) AS 'displayName',
    e.Name_FirstName AS 'name.givenName',
    e.Name_MiddleName AS 'name.middleName',
    e.Name_LastName AS 'name.familyName',
    e.NickName AS 'nickName',
    e.Title AS 'title',
    e.JobType_Description AS 'userType',
    e.Email AS 'emails[type eq "work"].value',
    u.FormerUserName AS 'emails[type eq "other"].value', -- the one before a rename
    e.Location_Name AS 'addresses[type eq "work"].locality',
    e.EmployeeId AS 'enterprise:employeeNumber',
    e.OrganizationName AS 'enterprise:department',
    e.ManagerId AS 'enterprise:manager.value',
    e.HiredDate AS 'hr:HireDate@05:00',
    CASE WHEN e.HiredDate IS NULL OR e.TerminatedDate >= e.HiredDate THEN e.TerminatedDate END
        AS 'hr:LeaveDate@22:00'
FROM dbo.Employees AS e
LEFT JOIN dbo.UserNames AS u ON u.HeldBy = e.EmployeeId;

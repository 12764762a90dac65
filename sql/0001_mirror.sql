-- The mirror of HR: one table per endpoint, columns 1:1. dbo.AbsentRecords notes who is no longer in HR's answer.
CREATE TABLE dbo.Employees (
    EmployeeId varchar(10) NOT NULL,
    Name_FirstName nvarchar(100) NULL,
    Name_MiddleName nvarchar(100) NULL,
    Name_LastName nvarchar(100) NULL,
    Name_FullName nvarchar(300) NOT NULL,
    Salutation tinyint NULL,
    NickName nvarchar(50) NULL,
    NationalityId varchar(50) NULL,
    LanguageId varchar(50) NULL,
    Email nvarchar(50) NULL,
    Gender tinyint NULL,
    BirthDate date NULL,
    RowNumber int NULL,
    CreatedBy nvarchar(50) NULL,
    CreatedDateTime datetime2(7) NULL,
    ModifiedBy nvarchar(50) NULL,
    ModifiedDateTime datetime2(7) NULL,
    VersionStamp int NULL,
    Active bit NULL,
    Initials nvarchar(20) NULL,
    LocationId varchar(10) NULL,
    Location_Name nvarchar(50) NULL,
    Office nvarchar(20) NULL,
    ManagerId varchar(10) NULL,
    Manager_Name nvarchar(300) NULL,
    OrganizationId varchar(10) NULL,
    OrganizationName nvarchar(50) NULL,
    JobId varchar(10) NULL,
    Job_Description nvarchar(50) NULL,
    JobTypeId varchar(10) NULL,
    JobType_Description nvarchar(50) NULL,
    Title nvarchar(50) NULL,
    ValidFrom date NULL,
    ValidTo date NULL,
    Released bit NULL,
    HiredDate date NULL,
    TerminatedDate date NULL,
    CONSTRAINT PK_Employees PRIMARY KEY (EmployeeId)
);
GO
CREATE TABLE dbo.Organizations (
    OrganizationId varchar(10) NOT NULL,
    OrganizationName nvarchar(50) NULL,
    CONSTRAINT PK_Organizations PRIMARY KEY (OrganizationId)
);
GO
CREATE TABLE dbo.Locations (
    LocationId varchar(10) NOT NULL,
    Location_Name nvarchar(50) NULL,
    Office nvarchar(20) NULL,
    CONSTRAINT PK_Locations PRIMARY KEY (LocationId)
);
GO
CREATE TABLE dbo.AbsentRecords (
    TableName nvarchar(128) NOT NULL,
    RecordKey nvarchar(200) NOT NULL,
    AbsentSince datetime2(7) NOT NULL,
    CONSTRAINT PK_AbsentRecords PRIMARY KEY (TableName, RecordKey)
);
GO
-- For reports: those HR still has, without birth date, nationality and gender.
CREATE VIEW dbo.CurrentEmployees AS
SELECT
    e.EmployeeId,
    e.Name_FirstName,
    e.Name_MiddleName,
    e.Name_LastName,
    e.Name_FullName,
    e.Salutation,
    e.NickName,
    e.LanguageId,
    e.Email,
    e.Active,
    e.Initials,
    e.LocationId,
    e.Location_Name,
    e.Office,
    e.ManagerId,
    e.Manager_Name,
    e.OrganizationId,
    e.OrganizationName,
    e.JobId,
    e.Job_Description,
    e.JobTypeId,
    e.JobType_Description,
    e.Title,
    e.ValidFrom,
    e.ValidTo,
    e.HiredDate,
    e.TerminatedDate,
    e.ModifiedDateTime
FROM dbo.Employees AS e
WHERE NOT EXISTS (
    SELECT 1 FROM dbo.AbsentRecords AS a
    WHERE a.TableName = 'Employees' AND a.RecordKey = e.EmployeeId
);
GO

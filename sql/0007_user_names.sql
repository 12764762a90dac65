-- The user name that each person got before she was created: hers, unique, and for years nobody else's.
-- EmployeeId is null of a name that nobody in HR has (a service account), and of one whose holder was forgotten.
-- FormerUserName is the one before a rename: her alias. HeldBy is the EmployeeId of whose user name it is, to join by;
-- of a former, a reserved or a forgotten one it is the name. NameKey is what nobody else may have, in lower case.
CREATE TABLE dbo.UserNames (
    EmployeeId nvarchar(64) NULL,
    UserName nvarchar(113) NOT NULL,
    MailNickname nvarchar(64) NOT NULL,
    FormerUserName nvarchar(113) NULL,
    GivenAt datetime2(7) NOT NULL,
    ReleasedAt datetime2(7) NULL,
    NameKey nvarchar(113) NOT NULL,
    HeldBy nvarchar(114) NOT NULL,
    CONSTRAINT PK_UserNames PRIMARY KEY (NameKey),
    CONSTRAINT UQ_UserNames_HeldBy UNIQUE (HeldBy)
);
GO
CREATE INDEX IX_UserNames_EmployeeId ON dbo.UserNames (EmployeeId);
GO

-- The user name that each person got before she was created, as in ../0007_user_names.sql.
CREATE TABLE dbo.UserNames (
    EmployeeId nvarchar(64) COLLATE NOCASE NULL,
    UserName nvarchar(113) NOT NULL,
    MailNickname nvarchar(64) NOT NULL,
    FormerUserName nvarchar(113) NULL,
    GivenAt datetime2(7) NOT NULL,
    ReleasedAt datetime2(7) NULL,
    NameKey nvarchar(113) COLLATE NOCASE NOT NULL,
    HeldBy nvarchar(114) COLLATE NOCASE NOT NULL,
    CONSTRAINT PK_UserNames PRIMARY KEY (NameKey),
    CONSTRAINT UQ_UserNames_HeldBy UNIQUE (HeldBy)
);
GO
CREATE INDEX dbo.IX_UserNames_EmployeeId ON UserNames (EmployeeId);
GO

-- Invented people to look around with: python -m provisioning migrate --sample. Can be run again.
-- ModifiedDateTime is NULL for all of them: the app must do without it.
INSERT INTO dbo.Organizations (OrganizationId, OrganizationName)
SELECT 'O1', 'Justice Ducks'
WHERE NOT EXISTS (SELECT 1 FROM dbo.Organizations AS x WHERE x.OrganizationId = 'O1');
INSERT INTO dbo.Organizations (OrganizationId, OrganizationName)
SELECT 'O2', 'Tower Operations'
WHERE NOT EXISTS (SELECT 1 FROM dbo.Organizations AS x WHERE x.OrganizationId = 'O2');
INSERT INTO dbo.Organizations (OrganizationId, OrganizationName)
SELECT 'O3', N'Записи и архив'
WHERE NOT EXISTS (SELECT 1 FROM dbo.Organizations AS x WHERE x.OrganizationId = 'O3');
INSERT INTO dbo.Locations (LocationId, Location_Name, Office)
SELECT 'L1', 'St. Canard', 'T-1'
WHERE NOT EXISTS (SELECT 1 FROM dbo.Locations AS x WHERE x.LocationId = 'L1');
INSERT INTO dbo.Locations (LocationId, Location_Name, Office)
SELECT 'L2', N'Göteborg', 'G-2'
WHERE NOT EXISTS (SELECT 1 FROM dbo.Locations AS x WHERE x.LocationId = 'L2');
INSERT INTO dbo.Locations (LocationId, Location_Name, Office)
SELECT 'L3', N'Пловдив', 'P-3'
WHERE NOT EXISTS (SELECT 1 FROM dbo.Locations AS x WHERE x.LocationId = 'L3');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'DW', 'Darkwing', NULL, 'Duck', 'Darkwing Duck', 'DW', 'en-US', 'darkwing.duck@canard.example', 'D.D.',
    'L1', 'St. Canard', 'T-1', 'GEMMA', 'Gemma Ida Tern', 'O1', 'Justice Ducks', 'J1', 'Night Watch', 'T1',
    'Permanent', 'The Masked Mallard', '2020-09-08', NULL, '2020-09-08', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'DW');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'GEMMA', 'Gemma', 'Ida', 'Tern', 'Gemma Ida Tern', NULL, 'en-US', 'gemma.tern@canard.example', 'G.I.T.',
    'L1', 'St. Canard', 'T-1', 'GEMMA', 'Gemma Ida Tern', 'O1', 'Justice Ducks', 'J3', 'Administration', 'T1',
    'Permanent', 'Chair (her own manager)', '2012-01-01', NULL, '2012-01-01', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'GEMMA');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'OBQ', N'Siobhán', NULL, 'O''Quill', N'Siobhán O''Quill', 'O''Q', 'en-IE', 'siobhan.oquill@canard.example',
    'S.O.', 'L2', N'Göteborg', 'G-2', 'DW', 'Darkwing Duck', 'O1', 'Justice Ducks', 'J2', 'Engineering', 'T1',
    'Permanent', 'Gadgets'' Engineer', '2021-03-01', NULL, '2021-03-01', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'OBQ');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'PTICA', N'Дарина', NULL, N'Птахова', N'Дарина Птахова', N'Даря', 'bg-BG', NULL, N'Д.П.', 'L3', N'Пловдив',
    'P-3', 'GEMMA', 'Gemma Ida Tern', 'O3', N'Записи и архив', 'J3', 'Administration', 'T1', 'Permanent',
    N'Архивар', '2019-06-17', NULL, '2019-06-17', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'PTICA');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'MORI', N'鷺', NULL, N'森', N'森 鷺', NULL, 'ja-JP', 'sagi.mori@canard.example', N'森.鷺.', 'L2', N'Göteborg',
    'G-2', 'OBQ', N'Siobhán O''Quill', 'O2', 'Tower Operations', 'J2', 'Engineering', 'T1', 'Permanent',
    'Tower Engineer', '2022-10-03', NULL, '2022-10-03', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'MORI');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'LEIF', 'Leif', NULL, N'Ånäs', N'Leif Ånäs', NULL, 'sv-SE', 'leif.anas@canard.example', N'L.Å.', 'L2',
    N'Göteborg', 'G-2', 'OBQ', N'Siobhán O''Quill', 'O2', 'Tower Operations', 'J2', 'Engineering', 'T2',
    'Temporary', 'Mechanic', '2024-02-01', '2030-12-31', '2024-02-01', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'LEIF');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'NESTA', 'Nesta', 'Wren', 'Hollow', 'Nesta Wren Hollow', 'Nes', 'en-GB', 'nesta.hollow@canard.example',
    'N.W.H.', 'L1', 'St. Canard', 'T-1', 'DW', 'Darkwing Duck', 'O1', 'Justice Ducks', 'J1', 'Night Watch',
    'T1', 'Permanent', 'Night Watch', '2018-05-01', NULL, '2018-05-01', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'NESTA');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'PLOVER', 'Pia', NULL, 'Plover', 'Pia Plover', NULL, 'da-DK', 'pia.plover@canard.example', 'P.P.', 'L2',
    N'Göteborg', 'G-2', 'NESTA', 'Nesta Wren Hollow', 'O2', 'Tower Operations', 'J1', 'Night Watch', 'T2',
    'Temporary', 'Look-out', '2023-08-14', NULL, '2023-08-14', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'PLOVER');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'GONE', 'Gus', NULL, 'Gannet', 'Gus Gannet', NULL, 'en-US', 'gus.gannet@canard.example', 'G.G.', 'L1',
    'St. Canard', 'T-1', 'DW', 'Darkwing Duck', 'O1', 'Justice Ducks', 'J1', 'Night Watch', 'T1', 'Permanent',
    'Night Watch', '2015-01-05', '2025-05-31', '2015-01-05', '2025-05-31', 0, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'GONE');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'SOON', 'Saga', NULL, 'Snipe', 'Saga Snipe', NULL, 'sv-SE', 'saga.snipe@canard.example', 'S.S.', 'L2',
    N'Göteborg', 'G-2', 'OBQ', N'Siobhán O''Quill', 'O2', 'Tower Operations', 'J2', 'Engineering', 'T1',
    'Permanent', 'Trainee', '2031-01-07', NULL, '2031-01-07', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'SOON');
INSERT INTO dbo.Employees (
    EmployeeId, Name_FirstName, Name_MiddleName, Name_LastName, Name_FullName, NickName, LanguageId, Email,
    Initials, LocationId, Location_Name, Office, ManagerId, Manager_Name, OrganizationId, OrganizationName,
    JobId, Job_Description, JobTypeId, JobType_Description, Title, ValidFrom, ValidTo, HiredDate,
    TerminatedDate, Active, Released
)
SELECT
    'VISIT', 'Vera', NULL, 'Veery', 'Vera Veery', NULL, 'en-US', NULL, 'V.V.', 'L1', 'St. Canard', 'T-1',
    'NESTA', 'Nesta Wren Hollow', NULL, NULL, 'J3', 'Administration', 'T2', 'Temporary',
    'Visitor (no organization: out of scope)', '2024-01-01', NULL, '2024-01-01', NULL, 1, 1
WHERE NOT EXISTS (SELECT 1 FROM dbo.Employees AS x WHERE x.EmployeeId = 'VISIT');

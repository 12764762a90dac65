-- For a preset: HR's word for who is active, which the preset's mapping reads. Copy it to a number from 1001 on.
ALTER TABLE dbo.Employees ADD Status nvarchar(50) NULL;
GO

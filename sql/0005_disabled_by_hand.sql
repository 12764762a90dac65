-- Who was disabled by name, whatever HR says, until HR agrees or somebody takes it back.
CREATE TABLE provisioning.disabled_by_hand (
    target nvarchar(200) NOT NULL,
    employee_id nvarchar(64) NOT NULL,
    disabled_at datetime2(7) NOT NULL,
    disabled_by nvarchar(200) NOT NULL,
    CONSTRAINT PK_disabled_by_hand PRIMARY KEY (target, employee_id)
);
GO

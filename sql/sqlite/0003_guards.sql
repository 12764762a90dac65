-- What is held for approval, what was approved by whom, and what the guards count, as in ../0003_guards.sql.
-- Since when a person's last day has stood in what was sent: an expected leaver is no alarm.
ALTER TABLE provisioning.ledger ADD valid_to_since datetime2(7) NULL;
GO
UPDATE provisioning.ledger SET valid_to_since = sent_at;
GO
-- Whether what is about to be sent counts among the disables of 24 h.
ALTER TABLE provisioning.intents ADD counts_as_disable bit NOT NULL CONSTRAINT DF_intents_counts DEFAULT 0;
GO
-- Whether a person was protected when she was last sent: the edit that ends her may take the mark away.
ALTER TABLE provisioning.ledger ADD protected bit NOT NULL CONSTRAINT DF_ledger_protected DEFAULT 0;
GO
ALTER TABLE provisioning.intents ADD protected bit NOT NULL CONSTRAINT DF_intents_protected DEFAULT 0;
GO
-- The last fetch that could tell who is missing: complete, and every record with its key.
ALTER TABLE provisioning.fetches ADD misses_counted_at datetime2(7) NULL;
GO
-- Whether the endpoint is the one that says who is an employee.
ALTER TABLE provisioning.fetches ADD of_people bit NOT NULL CONSTRAINT DF_fetches_of_people DEFAULT 0;
GO
-- Who was disabled and counted by the guard; nothing older than two days is kept.
CREATE TABLE provisioning.disables (
    target nvarchar(200) COLLATE NOCASE NOT NULL,
    employee_id nvarchar(64) COLLATE NOCASE NOT NULL,
    run_id varchar(36) NOT NULL,
    disabled_at datetime2(7) NOT NULL
);
GO
CREATE INDEX provisioning.IX_disables_disabled_at ON disables (target, disabled_at);
GO
-- What a guard stopped; approved by name, or ended when nobody in it is due any more.
CREATE TABLE provisioning.holds (
    hold_id varchar(36) NOT NULL,
    target nvarchar(200) COLLATE NOCASE NOT NULL,
    class varchar(30) NOT NULL,
    detail nvarchar(400) NOT NULL,
    job varchar(20) NOT NULL,
    reason nvarchar(1000) NOT NULL,
    attributes text NULL,
    due_on date NULL,
    held_at datetime2(7) NOT NULL,
    run_id varchar(36) NOT NULL,
    approved_at datetime2(7) NULL,
    approved_by nvarchar(200) NULL,
    expires_at datetime2(7) NULL,
    ended_at datetime2(7) NULL,
    CONSTRAINT PK_holds PRIMARY KEY (hold_id)
);
GO
CREATE INDEX provisioning.IX_holds_target ON holds (target, approved_at);
GO
-- Who is in a hold, with the hash that was due; an approval is used once per person.
CREATE TABLE provisioning.held_people (
    hold_id varchar(36) NOT NULL,
    employee_id nvarchar(64) COLLATE NOCASE NOT NULL,
    user_hash char(64) NOT NULL,
    used_at datetime2(7) NULL,
    CONSTRAINT PK_held_people PRIMARY KEY (hold_id, employee_id)
);
GO
CREATE INDEX provisioning.IX_held_people_employee_id ON held_people (employee_id);
GO
-- The mapping that was approved for a target, or with which its first person was sent.
CREATE TABLE provisioning.mappings (
    target nvarchar(200) COLLATE NOCASE NOT NULL,
    mapping_hash char(64) NOT NULL,
    accepted_at datetime2(7) NOT NULL,
    accepted_by nvarchar(200) NULL,
    CONSTRAINT PK_mappings PRIMARY KEY (target)
);
GO
-- Resyncs asked for over HTTP: ten a minute, one a minute for each person.
CREATE TABLE provisioning.resyncs (
    token varchar(36) NOT NULL,
    employee_id nvarchar(64) COLLATE NOCASE NOT NULL,
    asked_at datetime2(7) NOT NULL,
    granted bit NOT NULL,
    CONSTRAINT PK_resyncs PRIMARY KEY (token)
);
GO
CREATE INDEX provisioning.IX_resyncs_asked_at ON resyncs (asked_at);
GO

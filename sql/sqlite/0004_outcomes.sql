-- What came of what was sent, and each person's trail, as in ../0004_outcomes.sql.
-- When her last upload was about to go; the log's entries are matched with it by time.
ALTER TABLE provisioning.ledger ADD posted_at datetime2(7) NULL;
GO
UPDATE provisioning.ledger SET posted_at = sent_at;
GO
-- What came of her last: the entry that counts, and the newest entry of any kind.
ALTER TABLE provisioning.ledger ADD outcome varchar(20) NULL;
GO
ALTER TABLE provisioning.ledger ADD outcome_at datetime2(7) NULL;
GO
ALTER TABLE provisioning.ledger ADD outcome_entry nvarchar(100) NULL;
GO
ALTER TABLE provisioning.ledger ADD answered_at datetime2(7) NULL;
GO
-- Her first success, her last creation over there, and the last one that found her known already.
ALTER TABLE provisioning.ledger ADD succeeded_at datetime2(7) NULL;
GO
ALTER TABLE provisioning.ledger ADD created_at datetime2(7) NULL;
GO
ALTER TABLE provisioning.ledger ADD recreated_at datetime2(7) NULL;
GO
-- Somebody asked that she is sent once more, since she failed.
ALTER TABLE provisioning.ledger ADD retry_at datetime2(7) NULL;
GO
-- Since when she goes as inactive, and when her payload was cleared for that.
ALTER TABLE provisioning.ledger ADD inactive_since datetime2(7) NULL;
GO
UPDATE provisioning.ledger SET inactive_since = sent_at WHERE active = 0;
GO
ALTER TABLE provisioning.ledger ADD cleared_at datetime2(7) NULL;
GO
-- Which attributes differ from what was sent before: a JSON array of their names; null for somebody new.
ALTER TABLE provisioning.intents ADD attributes text NULL;
GO
-- Whether somebody's manager has succeeded is looked up for everybody: by the index alone.
DROP INDEX provisioning.IX_ledger_external_id;
GO
CREATE INDEX provisioning.IX_ledger_external_id ON ledger (target, external_id, succeeded_at, created_at);
GO
CREATE INDEX provisioning.IX_ledger_outcome ON ledger (target, outcome);
GO
-- Entries of the provisioning log about people of the ledger, each once.
CREATE TABLE provisioning.outcomes (
    target nvarchar(200) COLLATE NOCASE NOT NULL,
    entry_id nvarchar(100) NOT NULL,
    employee_id nvarchar(64) COLLATE NOCASE NOT NULL,
    activity_at datetime2(7) NOT NULL,
    action varchar(30) NOT NULL,
    status varchar(20) NOT NULL,
    error_code nvarchar(200) NULL,
    reason nvarchar(2000) NULL,
    recommended_action nvarchar(2000) NULL,
    modified text NULL,
    change_id nvarchar(100) NULL,
    object_id nvarchar(100) NULL,
    recreated bit NOT NULL,
    run_id varchar(36) NOT NULL,
    CONSTRAINT PK_outcomes PRIMARY KEY (target, entry_id)
);
GO
CREATE INDEX provisioning.IX_outcomes_employee_id ON outcomes (employee_id, activity_at);
GO
CREATE INDEX provisioning.IX_outcomes_activity_at ON outcomes (activity_at);
GO
-- How far the log of a target was read: the newest entry seen, and the time between which nothing is missing.
CREATE TABLE provisioning.log_reads (
    target nvarchar(200) COLLATE NOCASE NOT NULL,
    seen_to datetime2(7) NULL,
    read_from datetime2(7) NULL,
    read_to datetime2(7) NULL,
    CONSTRAINT PK_log_reads PRIMARY KEY (target)
);
GO
-- Each person's trail, only ever added to: sent, refused, resync, approved, retry.
CREATE TABLE provisioning.history (
    target nvarchar(200) COLLATE NOCASE NOT NULL,
    employee_id nvarchar(64) COLLATE NOCASE NOT NULL,
    happened_at datetime2(7) NOT NULL,
    kind varchar(20) NOT NULL,
    run_id varchar(36) NULL,
    by_whom nvarchar(200) NULL,
    active bit NULL,
    attributes text NULL,
    remark nvarchar(500) NULL
);
GO
CREATE INDEX provisioning.IX_history_employee_id ON history (employee_id, happened_at);
GO
CREATE INDEX provisioning.IX_history_happened_at ON history (happened_at);
GO
-- People who were forgotten: a keyed hash of the id, never the id.
CREATE TABLE provisioning.tombstones (
    id_hash char(64) NOT NULL,
    forgotten_at datetime2(7) NOT NULL,
    CONSTRAINT PK_tombstones PRIMARY KEY (id_hash)
);
GO
-- The key of those hashes, made with the first of them.
CREATE TABLE provisioning.hash_keys (
    name varchar(50) NOT NULL,
    secret char(64) NOT NULL,
    CONSTRAINT PK_hash_keys PRIMARY KEY (name)
);
GO
-- For HR and reports: the account that each person got, and what came of her last.
CREATE TABLE dbo.EmployeeAccounts (
    EmployeeId nvarchar(64) COLLATE NOCASE NOT NULL,
    Target nvarchar(200) COLLATE NOCASE NOT NULL,
    ObjectId nvarchar(100) NULL,
    UserPrincipalName nvarchar(200) NULL,
    Outcome varchar(20) NOT NULL,
    ErrorCode nvarchar(200) NULL,
    OutcomeAt datetime2(7) NOT NULL,
    CONSTRAINT PK_EmployeeAccounts PRIMARY KEY (EmployeeId, Target)
);
GO

-- The app's own tables: what was sent, by which run, what is in flight, and who may send at all.
-- What was last sent of each person to one target, the service principal and job of the upload URL.
CREATE TABLE provisioning.ledger (
    target nvarchar(200) NOT NULL,
    employee_id nvarchar(64) NOT NULL,
    external_id nvarchar(200) NOT NULL,
    user_hash char(64) NOT NULL,
    scim_user nvarchar(max) NOT NULL,
    active bit NOT NULL,
    valid_to date NULL,
    modified_date_time varchar(33) NULL,
    manager_known bit NOT NULL,
    sent_at datetime2(7) NOT NULL,
    run_id varchar(36) NOT NULL,
    CONSTRAINT PK_ledger PRIMARY KEY (target, employee_id)
);
GO
CREATE INDEX IX_ledger_external_id ON provisioning.ledger (target, external_id);
GO
-- What a run is about to send; one that is left over means that nobody knows whether it arrived.
CREATE TABLE provisioning.intents (
    target nvarchar(200) NOT NULL,
    employee_id nvarchar(64) NOT NULL,
    run_id varchar(36) NOT NULL,
    external_id nvarchar(200) NOT NULL,
    user_hash char(64) NOT NULL,
    scim_user nvarchar(max) NOT NULL,
    active bit NOT NULL,
    valid_to date NULL,
    modified_date_time varchar(33) NULL,
    manager_known bit NOT NULL,
    forced_token varchar(36) NULL,
    answered bit NOT NULL,
    created_at datetime2(7) NOT NULL,
    CONSTRAINT PK_intents PRIMARY KEY (target, employee_id, run_id)
);
GO
-- Who must be sent by the sender at work, changed or not.
CREATE TABLE provisioning.forced (
    target nvarchar(200) NOT NULL,
    employee_id nvarchar(64) NOT NULL,
    token varchar(36) NOT NULL,
    requested_at datetime2(7) NOT NULL,
    CONSTRAINT PK_forced PRIMARY KEY (target, employee_id)
);
GO
-- What Graph refused of one person: not sent again until her data changes.
CREATE TABLE provisioning.refused (
    target nvarchar(200) NOT NULL,
    employee_id nvarchar(64) NOT NULL,
    user_hash char(64) NOT NULL,
    reason nvarchar(500) NOT NULL,
    refused_at datetime2(7) NOT NULL,
    CONSTRAINT PK_refused PRIMARY KEY (target, employee_id)
);
GO
-- One sender a target, one ingest: whoever owns the row, until it expires.
CREATE TABLE provisioning.leases (
    name nvarchar(200) NOT NULL,
    owner varchar(36) NULL,
    previous_owner varchar(36) NULL,
    epoch int NOT NULL,
    expires_at datetime2(7) NOT NULL,
    CONSTRAINT PK_leases PRIMARY KEY (name)
);
GO
-- Every call to bulkUpload, refused ones and retries too: the tenant's daily limit is counted here.
CREATE TABLE provisioning.calls (
    called_at datetime2(7) NOT NULL,
    target nvarchar(200) NOT NULL,
    run_id varchar(36) NOT NULL
);
GO
CREATE INDEX IX_calls_called_at ON provisioning.calls (called_at);
GO
-- The last complete fetch of each endpoint.
CREATE TABLE provisioning.fetches (
    table_name nvarchar(128) NOT NULL,
    completed_at datetime2(7) NOT NULL,
    fetched int NOT NULL,
    run_id varchar(36) NOT NULL,
    CONSTRAINT PK_fetches PRIMARY KEY (table_name)
);
GO
-- Single people that HR was asked for again; an ingest under way must not write older data over them.
CREATE TABLE provisioning.refreshes (
    table_name nvarchar(128) NOT NULL,
    record_key nvarchar(200) NOT NULL,
    refreshed_at datetime2(7) NOT NULL,
    CONSTRAINT PK_refreshes PRIMARY KEY (table_name, record_key)
);
GO
-- Every run, with the counts it printed.
CREATE TABLE provisioning.runs (
    run_id varchar(36) NOT NULL,
    job varchar(20) NOT NULL,
    target nvarchar(200) NULL,
    started_at datetime2(7) NOT NULL,
    ended_at datetime2(7) NULL,
    exit_code int NULL,
    counts nvarchar(max) NULL,
    CONSTRAINT PK_runs PRIMARY KEY (run_id)
);
GO
CREATE INDEX IX_runs_started_at ON provisioning.runs (started_at);
GO

-- Entries of the log, each once, and what came of the people they are about.
-- Parameters: target, run_id, rows (JSON array of objects), target, people (JSON array of objects), target, people,
-- target, target, people, target
INSERT INTO provisioning.outcomes (
    target, run_id, entry_id, employee_id, activity_at, action, status, error_code, reason, recommended_action,
    modified, change_id, object_id, recreated
)
SELECT
    ?, ?, j.entry_id, j.employee_id, j.activity_at, j.action, j.status, j.error_code, j.reason, j.recommended_action,
    j.modified, j.change_id, j.object_id, j.recreated
FROM OPENJSON(?) WITH (
    entry_id nvarchar(100) '$.entry_id',
    employee_id nvarchar(64) '$.employee_id',
    activity_at datetime2(7) '$.activity_at',
    action varchar(30) '$.action',
    status varchar(20) '$.status',
    error_code nvarchar(200) '$.error_code',
    reason nvarchar(2000) '$.reason',
    recommended_action nvarchar(2000) '$.recommended_action',
    modified nvarchar(max) '$.modified' AS JSON,
    change_id nvarchar(100) '$.change_id',
    object_id nvarchar(100) '$.object_id',
    recreated bit '$.recreated'
) AS j
WHERE NOT EXISTS (SELECT 1 FROM provisioning.outcomes AS o WHERE o.target = ? AND o.entry_id = j.entry_id);
UPDATE provisioning.ledger
SET
    outcome = j.outcome, outcome_at = j.outcome_at, outcome_entry = j.entry_id, answered_at = j.answered_at,
    succeeded_at = j.succeeded_at, created_at = j.created_at, recreated_at = j.recreated_at
FROM (
    SELECT
        f.employee_id,
        f.outcome,
        f.outcome_at,
        f.entry_id,
        f.answered_at,
        f.succeeded_at,
        f.created_at,
        f.recreated_at
    FROM OPENJSON(?) WITH (
        employee_id nvarchar(64) '$.employee_id',
        outcome varchar(20) '$.outcome',
        outcome_at datetime2(7) '$.outcome_at',
        entry_id nvarchar(100) '$.entry_id',
        answered_at datetime2(7) '$.answered_at',
        succeeded_at datetime2(7) '$.succeeded_at',
        created_at datetime2(7) '$.created_at',
        recreated_at datetime2(7) '$.recreated_at'
    ) AS f
) AS j
WHERE ledger.target = ? AND ledger.employee_id = j.employee_id;
UPDATE dbo.EmployeeAccounts
SET
    ObjectId = COALESCE(j.object_id, EmployeeAccounts.ObjectId),
    UserPrincipalName = COALESCE(j.user_name, EmployeeAccounts.UserPrincipalName),
    Outcome = j.outcome,
    ErrorCode = CASE WHEN j.counts = 1 THEN j.error_code ELSE EmployeeAccounts.ErrorCode END,
    OutcomeAt = j.outcome_at
FROM (
    SELECT
        f.employee_id,
        f.object_id,
        f.user_name,
        f.outcome,
        f.error_code,
        f.outcome_at,
        f.counts
    FROM OPENJSON(?) WITH (
        employee_id nvarchar(64) '$.employee_id',
        object_id nvarchar(100) '$.object_id',
        user_name nvarchar(200) '$.user_name',
        outcome varchar(20) '$.outcome',
        error_code nvarchar(200) '$.error_code',
        outcome_at datetime2(7) '$.outcome_at',
        counts bit '$.counts'
    ) AS f
) AS j
WHERE EmployeeAccounts.Target = ? AND EmployeeAccounts.EmployeeId = j.employee_id;
INSERT INTO dbo.EmployeeAccounts (EmployeeId, Target, ObjectId, UserPrincipalName, Outcome, ErrorCode, OutcomeAt)
SELECT j.employee_id, ?, j.object_id, j.user_name, j.outcome, j.error_code, j.outcome_at
FROM OPENJSON(?) WITH (
    employee_id nvarchar(64) '$.employee_id',
    object_id nvarchar(100) '$.object_id',
    user_name nvarchar(200) '$.user_name',
    outcome varchar(20) '$.outcome',
    error_code nvarchar(200) '$.error_code',
    outcome_at datetime2(7) '$.outcome_at'
) AS j
WHERE NOT EXISTS (
    SELECT 1 FROM dbo.EmployeeAccounts AS a WHERE a.Target = ? AND a.EmployeeId = j.employee_id
);

-- Entries of the log, each once, and what came of the people they are about.
-- Parameters: target, run_id, rows (JSON array of objects), target, people (JSON array of objects), target, people,
-- target, target, people, target
INSERT INTO provisioning.outcomes (
    target, run_id, entry_id, employee_id, activity_at, action, status, error_code, reason, recommended_action,
    modified, change_id, object_id, recreated
)
SELECT
    ?,
    ?,
    json_extract(j.value, '$.entry_id'),
    json_extract(j.value, '$.employee_id'),
    json_extract(j.value, '$.activity_at'),
    json_extract(j.value, '$.action'),
    json_extract(j.value, '$.status'),
    json_extract(j.value, '$.error_code'),
    json_extract(j.value, '$.reason'),
    json_extract(j.value, '$.recommended_action'),
    json_extract(j.value, '$.modified'),
    json_extract(j.value, '$.change_id'),
    json_extract(j.value, '$.object_id'),
    json_extract(j.value, '$.recreated')
FROM json_each(?) AS j
WHERE NOT EXISTS (
    SELECT 1 FROM provisioning.outcomes AS o WHERE o.target = ? AND o.entry_id = json_extract(j.value, '$.entry_id')
);
UPDATE provisioning.ledger
SET
    outcome = j.outcome, outcome_at = j.outcome_at, outcome_entry = j.entry_id, answered_at = j.answered_at,
    succeeded_at = j.succeeded_at, created_at = j.created_at, recreated_at = j.recreated_at
FROM (
    SELECT
        json_extract(value, '$.employee_id') AS employee_id,
        json_extract(value, '$.outcome') AS outcome,
        json_extract(value, '$.outcome_at') AS outcome_at,
        json_extract(value, '$.entry_id') AS entry_id,
        json_extract(value, '$.answered_at') AS answered_at,
        json_extract(value, '$.succeeded_at') AS succeeded_at,
        json_extract(value, '$.created_at') AS created_at,
        json_extract(value, '$.recreated_at') AS recreated_at
    FROM json_each(?)
    LIMIT -1 -- read once and looked up by key, not read anew for everybody of the target
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
        json_extract(value, '$.employee_id') AS employee_id,
        json_extract(value, '$.object_id') AS object_id,
        json_extract(value, '$.user_name') AS user_name,
        json_extract(value, '$.outcome') AS outcome,
        json_extract(value, '$.error_code') AS error_code,
        json_extract(value, '$.outcome_at') AS outcome_at,
        json_extract(value, '$.counts') AS counts
    FROM json_each(?)
    LIMIT -1 -- read once and looked up by key, not read anew for everybody of the target
) AS j
WHERE EmployeeAccounts.Target = ? AND EmployeeAccounts.EmployeeId = j.employee_id;
INSERT INTO dbo.EmployeeAccounts (EmployeeId, Target, ObjectId, UserPrincipalName, Outcome, ErrorCode, OutcomeAt)
SELECT
    json_extract(j.value, '$.employee_id'),
    ?,
    json_extract(j.value, '$.object_id'),
    json_extract(j.value, '$.user_name'),
    json_extract(j.value, '$.outcome'),
    json_extract(j.value, '$.error_code'),
    json_extract(j.value, '$.outcome_at')
FROM json_each(?) AS j
WHERE NOT EXISTS (
    SELECT 1 FROM dbo.EmployeeAccounts AS a
    WHERE a.Target = ? AND a.EmployeeId = json_extract(j.value, '$.employee_id')
);

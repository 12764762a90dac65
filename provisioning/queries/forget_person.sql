-- Remove whatever the app's own tables hold of one person, for every target.
-- Parameters: employee_id, employee_id, employee_id, employee_id, employee_id, employee_id, employee_id, employee_id,
-- employee_id, employee_id, employee_id, employee_id, employee_id
DELETE FROM provisioning.history WHERE employee_id = ?;
DELETE FROM provisioning.outcomes WHERE employee_id = ?;
DELETE FROM provisioning.intents WHERE employee_id = ?;
DELETE FROM provisioning.forced WHERE employee_id = ?;
DELETE FROM provisioning.refused WHERE employee_id = ?;
DELETE FROM provisioning.held_people WHERE employee_id = ?;
DELETE FROM provisioning.disables WHERE employee_id = ?;
DELETE FROM provisioning.disabled_by_hand WHERE employee_id = ?;
DELETE FROM provisioning.resyncs WHERE employee_id = ?;
DELETE FROM provisioning.refreshes WHERE record_key = ?;
DELETE FROM provisioning.ledger WHERE employee_id = ?;
DELETE FROM dbo.EmployeeAccounts WHERE EmployeeId = ?;
DELETE FROM dbo.AbsentRecords WHERE RecordKey = ?;

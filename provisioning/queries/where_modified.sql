-- People whose ModifiedDateTime is not the one sent, whose dates passed, who left HR or are back, in doubt or waiting.
-- Parameters: tomorrow, tomorrow
WHERE (l.user_hash IS NOT NULL AND (
    {modified} IS NULL OR l.modified_date_time IS NULL OR CAST({modified} AS varchar(33)) <> l.modified_date_time
    OR ({valid_to} < ? AND l.active = 1)
    OR (l.active = 0 AND ({valid_from} IS NULL OR {valid_from} <= ?))
    OR (a.RecordKey IS NOT NULL AND l.active = 1)
))
OR i.employee_id IS NOT NULL OR f.token IS NOT NULL OR b.employee_id IS NOT NULL
OR l.retry_at IS NOT NULL OR l.manager_known = 0
OR EXISTS (
    SELECT 1 FROM provisioning.held_people AS p
    INNER JOIN provisioning.holds AS h ON h.hold_id = p.hold_id
    WHERE p.employee_id = v.EmployeeId AND p.used_at IS NULL AND h.ended_at IS NULL AND h.due_on IS NULL
)

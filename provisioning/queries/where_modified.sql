-- People sent before whose ModifiedDateTime is not the one sent, whose dates may have passed, or who are in doubt.
-- Parameters: tomorrow, tomorrow
WHERE (l.user_hash IS NOT NULL AND (
    {modified} IS NULL OR l.modified_date_time IS NULL OR CAST({modified} AS varchar(33)) <> l.modified_date_time
    OR ({valid_to} < ? AND l.active = 1)
    OR ({valid_from} <= ? AND l.active = 0)
))
OR i.employee_id IS NOT NULL OR f.token IS NOT NULL

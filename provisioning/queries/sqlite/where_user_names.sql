-- Everybody who has one of these user names, or one of these work e-mail addresses.
-- Parameters: user_names (JSON array), mails (JSON array)
WHERE
    v.{user_name} COLLATE NOCASE IN (SELECT k.value FROM json_each(?) AS k)
    OR {work_mail} COLLATE NOCASE IN (SELECT m.value FROM json_each(?) AS m)

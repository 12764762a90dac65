-- Everybody who has one of these user names, or one of these work e-mail addresses.
-- Parameters: user_names (JSON array), mails (JSON array)
WHERE
    v.{user_name} IN (SELECT k.value FROM OPENJSON(?) AS k)
    OR {work_mail} IN (SELECT m.value FROM OPENJSON(?) AS m)

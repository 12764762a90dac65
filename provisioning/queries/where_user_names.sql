-- Everybody who has one of these user names.
-- Parameters: user_names (JSON array)
WHERE v.{user_name} IN (SELECT k.value FROM OPENJSON(?) AS k)

-- Everybody who has one of these user names.
-- Parameters: user_names (JSON array)
WHERE v.{user_name} COLLATE NOCASE IN (SELECT k.value FROM json_each(?) AS k)

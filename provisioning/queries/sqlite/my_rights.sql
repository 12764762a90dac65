-- What this login may do here: on tables and views, in the database as a whole, and through which roles.
-- Parameters: none
SELECT
    t.kind,
    t.name,
    t.permission
FROM (SELECT '' AS kind, '' AS name, '' AS permission) AS t
WHERE 1 = 0

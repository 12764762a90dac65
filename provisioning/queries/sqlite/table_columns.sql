-- What a table of schema dbo takes: type, length in characters or bytes, scale, nullability, code page.
-- Parameters: table
SELECT
    o.name AS table_name,
    c.name,
    lower(CASE WHEN instr(c.type, '(') > 0 THEN substr(c.type, 1, instr(c.type, '(') - 1) ELSE c.type END) AS type_name,
    CASE
        WHEN instr(lower(c.type), '(max') > 0 THEN -1
        ELSE CAST(substr(c.type, instr(c.type, '(') + 1) AS integer)
    END AS length,
    CAST(substr(c.type, instr(c.type, '(') + 1) AS integer) AS precision,
    CASE
        WHEN instr(c.type, ',') > 0 THEN CAST(trim(substr(c.type, instr(c.type, ',') + 1)) AS integer)
        WHEN lower(c.type) IN ('datetime2', 'time') THEN 7
        WHEN lower(c.type) LIKE 'datetime2(%' OR lower(c.type) LIKE 'time(%'
            THEN CAST(substr(c.type, instr(c.type, '(') + 1) AS integer)
        ELSE 0
    END AS scale,
    CASE WHEN c."notnull" = 1 THEN 0 ELSE 1 END AS is_nullable,
    CASE WHEN c.hidden = 0 THEN 1 ELSE 0 END AS is_writable,
    1252 AS code_page
FROM pragma_table_xinfo(?, 'dbo') AS c
INNER JOIN dbo.sqlite_master AS o ON o.type = 'table' AND o.name = c.arg COLLATE NOCASE
ORDER BY c.cid

-- The database's clock, by which everything is dated.
-- Parameters: none
SELECT SYSUTCDATETIME() AS utc_now

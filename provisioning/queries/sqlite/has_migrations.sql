-- Whether anything was ever applied here.
-- Parameters: none
SELECT t.name FROM provisioning.sqlite_master AS t WHERE t.name = 'migrations'

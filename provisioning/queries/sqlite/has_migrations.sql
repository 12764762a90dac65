-- Whether anything was ever applied here: no row where not, and a null where this login sees nothing of it.
-- Parameters: none
SELECT t.name FROM provisioning.sqlite_master AS t WHERE t.name = 'migrations'

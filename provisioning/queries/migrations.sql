-- Which scripts have been applied.
-- Parameters: none
SELECT m.script FROM provisioning.migrations AS m

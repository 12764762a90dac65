#!/bin/sh
# Brings the database up to date: as whoever is signed in with az or azd, never as the app.
#
# Usage: infra/scripts/migrate.sh [--dry-run]
#   SQL_SERVER_ADDRESS, SQL_DATABASE   the database (azd sets both)
#   DEPLOYER_IP_ADDRESS                this machine's public address, where the server's firewall keeps it out
#   PYTHON                             a Python with requirements.txt and Microsoft's ODBC driver; .venv/bin/python

set -eu
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=common.sh
. infra/scripts/common.sh
# shellcheck source-path=SCRIPTDIR source=firewall.sh
. infra/scripts/firewall.sh

read_options "$@"
need SQL_SERVER_ADDRESS SQL_DATABASE
need_shape SQL_SERVER_ADDRESS "$SQL_SERVER_ADDRESS" '[A-Za-z0-9.-]+' 'the address of a server'
need_shape SQL_DATABASE "$SQL_DATABASE" '[A-Za-z0-9_.-]+' 'the name of a database: letters, digits, - _ .'

if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    [ ! -x .venv/bin/python ] || PYTHON=.venv/bin/python
fi
need_program "$PYTHON"

open_firewall
# The app's client id must not be in the way of the person's own token; no credentials stand in the string. HR's
# address, which azd hands over, names a password that is nowhere but in the vault: migrate would miss it.
unset AZURE_CLIENT_ID HR_SOURCE
SQL_CONNECTION_STRING="Server=tcp:$SQL_SERVER_ADDRESS,1433;Database=$SQL_DATABASE;Encrypt=yes"
export SQL_CONNECTION_STRING
say "Migrating $SQL_DATABASE on $SQL_SERVER_ADDRESS."
run "$PYTHON" -m provisioning migrate

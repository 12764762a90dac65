#!/bin/sh
# Makes the app's user in the database, a member of provisioning_app and of nothing else: as whoever is signed in.
#
# Usage: infra/scripts/database-user.sh [--dry-run]
#   SQL_SERVER_ADDRESS, SQL_DATABASE           the database (azd sets these four)
#   APP_IDENTITY_NAME, APP_IDENTITY_CLIENT_ID  the app's managed identity
#   DEPLOYER_IP_ADDRESS                        this machine's public address, where the server's firewall keeps it out

set -eu
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=common.sh
. infra/scripts/common.sh
# shellcheck source-path=SCRIPTDIR source=firewall.sh
. infra/scripts/firewall.sh

read_options "$@"
need SQL_SERVER_ADDRESS SQL_DATABASE APP_IDENTITY_NAME APP_IDENTITY_CLIENT_ID
need_shape SQL_SERVER_ADDRESS "$SQL_SERVER_ADDRESS" '[A-Za-z0-9.-]+' 'the address of a server'
need_shape SQL_DATABASE "$SQL_DATABASE" '[A-Za-z0-9_.-]+' 'the name of a database: letters, digits, - _ .'
need_shape APP_IDENTITY_NAME "$APP_IDENTITY_NAME" '[A-Za-z0-9_-]{3,128}' 'the name of a managed identity'
need_shape APP_IDENTITY_CLIENT_ID "$APP_IDENTITY_CLIENT_ID" "$GUID" 'a GUID'
need_program sqlcmd
sqlcmd --version >/dev/null 2>&1 || fail 2 "this sqlcmd is the old one; the new one signs in with az and azd: https://aka.ms/go-sqlcmd"

open_firewall
unset AZURE_CLIENT_ID
# 120 s: a serverless database that pauses takes about a minute to wake.
run sqlcmd -S "tcp:$SQL_SERVER_ADDRESS,1433" -d "$SQL_DATABASE" --authentication-method ActiveDirectoryDefault \
    -N true -l 120 -b -i infra/scripts/database-user.sql \
    -v "AppIdentityName=$APP_IDENTITY_NAME" -v "AppIdentityClientId=$APP_IDENTITY_CLIENT_ID"

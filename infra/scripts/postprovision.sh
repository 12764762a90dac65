#!/bin/sh
# What Bicep cannot do, after every azd provision: the tables, the app's user, and what is left to people.
#
# Usage: infra/scripts/postprovision.sh [--dry-run]
#   SKIP_DATABASE   true: leave the database to somebody who reaches it (private networking)
#   and what migrate.sh and database-user.sh read

set -eu
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=common.sh
. infra/scripts/common.sh

read_options "$@"

if [ "${SKIP_DATABASE:-false}" = true ]; then
    say "SKIP_DATABASE: run infra/scripts/migrate.sh and infra/scripts/database-user.sh where the database is reached."
else
    infra/scripts/migrate.sh "$@"
    infra/scripts/database-user.sh "$@"
fi

[ "${GRAPH_ROLES_GRANTED:-false}" = true ] ||
    say "Roles in Graph are not granted yet: a Privileged Role Administrator runs infra/scripts/graph-roles.sh."
[ -n "${GRAPH_BULK_UPLOAD_URL:-}" ] ||
    say "GRAPH_BULK_UPLOAD_URL is not set: nothing is sent. Make the provisioning app, azd env set it, azd provision."
[ -z "${HR_SECRET_NAMES:-}" ] ||
    say "Secrets of HR ($HR_SECRET_NAMES) are read from the vault ${KEY_VAULT_NAME:-}: HR_PASSWORD from hr-password."

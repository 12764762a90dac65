#!/bin/sh
# Grants the app its roles in Microsoft Graph, for those whose deployment may not (GRANT_GRAPH_ROLES=false).
# Whoever runs it must be Privileged Role Administrator. What is there already stays; nothing is ever taken away.
#
# Usage: infra/scripts/graph-roles.sh [--dry-run]
#   APP_IDENTITY_PRINCIPAL_ID                       the app's managed identity (azd sets it)
#   READ_PROVISIONING_LOGS, READ_PROVISIONING_JOB   false: without that role; true
#   COMPARE_SCHEDULE                                set: the directory's users may be read, too

set -eu
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=common.sh
. infra/scripts/common.sh

GRAPH=https://graph.microsoft.com/v1.0
GRAPH_APP=00000003-0000-0000-c000-000000000000

read_options "$@"
need APP_IDENTITY_PRINCIPAL_ID
need_shape APP_IDENTITY_PRINCIPAL_ID "$APP_IDENTITY_PRINCIPAL_ID" "$GUID" 'a GUID'
need_program az

roles=SynchronizationData-User.Upload
[ "${READ_PROVISIONING_LOGS:-true}" = false ] || roles="$roles ProvisioningLog.Read.All"
[ "${READ_PROVISIONING_JOB:-true}" = false ] || roles="$roles Synchronization.Read.All"
[ -z "${COMPARE_SCHEDULE:-}" ] || roles="$roles User.Read.All"

assignments=$GRAPH/servicePrincipals/$APP_IDENTITY_PRINCIPAL_ID/appRoleAssignments
graph_id=$(az ad sp show --id "$GRAPH_APP" --query id --output tsv)
need_shape 'the service principal of Microsoft Graph' "$graph_id" "$GUID" 'to be found: sign in with az login'
held=$(az rest --method GET --url "$assignments" --query 'value[].appRoleId' --output tsv)

for role in $roles; do
    role_id=$(az ad sp show --id "$GRAPH_APP" --query "appRoles[?value=='$role'].id | [0]" --output tsv)
    need_shape "the role $role" "$role_id" "$GUID" 'known to Microsoft Graph here'
    if printf '%s\n' "$held" | grep -Fqx "$role_id"; then
        say "$role: granted already."
        continue
    fi
    run az rest --method POST --url "$assignments" --headers Content-Type=application/json --output none \
        --body "{\"principalId\": \"$APP_IDENTITY_PRINCIPAL_ID\", \"resourceId\": \"$graph_id\", \"appRoleId\": \"$role_id\"}"
    say "$role: $("$DRY_RUN" && printf 'would be granted' || printf 'granted')."
done

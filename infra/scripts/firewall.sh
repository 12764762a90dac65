# shellcheck shell=sh
# Lets this machine through the server's firewall for as long as a script runs, and no longer. Sourced after common.sh.
#
# DEPLOYER_IP_ADDRESS is its public address, as error 40615 or the network's administrator tells it. Not set: nothing is
# done, as where the machine is let in anyway (in Azure, or within the private network).

RULE=deployment-by-hand

open_firewall() {
    [ -n "${DEPLOYER_IP_ADDRESS:-}" ] || return 0
    need AZURE_RESOURCE_GROUP SQL_SERVER_NAME
    need_program az
    need_shape DEPLOYER_IP_ADDRESS "$DEPLOYER_IP_ADDRESS" '[0-9]{1,3}(\.[0-9]{1,3}){3}' 'an IPv4 address'
    trap close_firewall EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    run az sql server firewall-rule create --resource-group "$AZURE_RESOURCE_GROUP" --server "$SQL_SERVER_NAME" \
        --name "$RULE" --start-ip-address "$DEPLOYER_IP_ADDRESS" --end-ip-address "$DEPLOYER_IP_ADDRESS" --output none
}

close_firewall() {
    run az sql server firewall-rule delete --resource-group "$AZURE_RESOURCE_GROUP" --server "$SQL_SERVER_NAME" \
        --name "$RULE" --output none || say "The firewall rule $RULE could not be removed: remove it in the portal."
}

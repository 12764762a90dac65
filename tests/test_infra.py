"""infra/: each check of tests/infrastructure.py holds, and finds what is broken in a copy."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

import lark
import pytest

from tests import bicep, infrastructure
from tests.infrastructure import CHECKS, MAIN, PARAMETERS, ROOT, Files, module, problems

FILES = infrastructure.files()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_must_hold_for_the_infrastructure_does(check: Any) -> None:
    assert problems(check, FILES) == []


def altered(path: str, old: str, new: str) -> dict[str, str]:
    """The files with one text changed, which must stand there."""
    assert old in FILES[path], (path, old)
    return FILES | {path: FILES[path].replace(old, new)}


C = infrastructure
ALERTS, DATABASE, FUNCTION_APP, STORAGE = map(module, ("alerts", "database", "function-app", "storage"))
ROLES, SIGN_IN, GRAPH_ROLES, EASY_AUTH = map(module, ("role-assignments", "sign-in", "graph-roles", "easy-auth"))
KEY_VAULT, NETWORK, MONITORING = map(module, ("key-vault", "network", "monitoring"))
BROKEN: list[tuple[Callable[[Files], Iterator[str]], str, str, str, str]] = [
    (C.wrong_resources, DATABASE, "'Microsoft.Sql/servers/firewallRules@", "'Microsoft.Sql/servers/keys@", "makes"),
    (
        C.wrong_resources,
        STORAGE,
        "blobServices@2024-01-01",
        "blobServices@2026-01-01-preview",
        "blobServices: versions",
    ),
    (C.wrong_resources, ROLES, "storageAccounts@2024-01-01", "storageAccounts@2023-01-01", "2023-01-01', '2024-01-01"),
    (C.untagged, KEY_VAULT, "  tags: tags\n", "", "vault"),
    (C.undocumented, MAIN, "@description('Name of the database.')\n", "", "sqlDatabaseName has no description"),
    (C.undocumented, MAIN, "@minValue(1)\n@maxValue(35)\n", "", "sqlBackupDays is not validated"),
    (C.wrong_names, FUNCTION_APP, "serverFarmId: plan.id", "serverFarmId: plans.id", "plans is not declared"),
    (
        C.wrong_names,
        FUNCTION_APP,
        "'ClientId=${identityClientId};",
        "'ClientId=${clientId};",
        "clientId is not declared",
    ),
    (C.wrong_names, FUNCTION_APP, "value: packageContainerUrl", "value: 'x'", "packageContainerUrl is not used"),
    (C.wrong_names, MAIN, "toLower(uniqueString", "lowercase(uniqueString", "lowercase() is not known"),
    (C.misfits, MAIN, "    backupDays: sqlBackupDays\n", "", "database: lacks backupDays"),
    (C.misfits, MAIN, "    backupDays: sqlBackupDays\n", "    backupDay: 1\n", "is given backupDay"),
    (C.misfits, MAIN, "retentionDays: logRetentionDays", "retentionDays: timeZone", "int is given string"),
    (C.misfits, MAIN, "@maxValue(35)", "@maxValue(36)", "database.backupDays: max_value 35 there, 36 here"),
    (C.misfits, MAIN, "database.outputs.serverId", "database.outputs.id", "database: has no output id"),
    (C.misfits, MAIN, "= database.outputs.serverName", "= 'x'", "nobody takes its output serverName"),
    (C.misfits, MAIN, "'modules/network.bicep'", "'modules/identity.bicep'", "network: is given addressPrefix"),
    (C.wrong_parameter_file, PARAMETERS, "param timeZone", "param timezone", "timeZone: in one of both"),
    (C.wrong_parameter_file, PARAMETERS, "('UPDATE_BY', 'content')", "('UPDATE_BY', 'modified')", "another default"),
    (C.wrong_parameter_file, PARAMETERS, "('TIME_ZONE',", "('TIMEZONE',", "timeZone: reads ['TIMEZONE']"),
    (C.wrong_parameter_file, PARAMETERS, "('MAX_CREATES',", "('MAX_CHANGES',", "maxCreates: reads"),
    (
        C.wrong_parameter_file,
        MAIN,
        "output SQL_SERVER_NAME",
        "output SQL_ADMIN_NAME",
        "read as a parameter the next time",
    ),
    (C.wrong_settings, MAIN, "      TIME_ZONE: timeZone\n", "", "TIME_ZONE is not set"),
    (C.wrong_settings, MAIN, "TIME_ZONE: timeZone", "TIMEZONE: timeZone", "TIMEZONE is set, and nobody reads it"),
    (C.wrong_settings, MAIN, "      OUTCOMES_SCHEDULE: outcomesSchedule\n", "", "OUTCOMES_SCHEDULE is not set"),
    (C.wrong_settings, FUNCTION_APP, "  AZURE_CLIENT_ID: identityClientId\n", "", "AZURE_CLIENT_ID: the host"),
    (
        C.wrong_settings,
        FUNCTION_APP,
        "union(vaultSettings, appSettings,",
        "union(appSettings, vaultSettings,",
        "winning",
    ),
    (C.forbidden_settings, FUNCTION_APP, "AZURE_CLIENT_ID:", "FUNCTIONS_WORKER_RUNTIME:", "FUNCTIONS_WORKER_RUNTIME"),
    (
        C.forbidden_settings,
        FUNCTION_APP,
        "AzureWebJobsStorage__credential:",
        "AzureWebJobsStorage:",
        "AzureWebJobsStorage",
    ),
    (C.forbidden_settings, "azure.yaml", "remoteBuild: true", "SCM_DO_BUILD_DURING_DEPLOYMENT: true", "SCM_DO_BUILD"),
    (C.wrong_defaults, MAIN, "maxDisables string = '5%'", "maxDisables string = '50%'", "not those of the app"),
    (
        C.wrong_defaults,
        MAIN,
        "prehireActive ? 'true' : 'false'",
        "prehireActive ? 'false' : 'true'",
        "not those of the app",
    ),
    (C.wrong_defaults, MAIN, "'0 20 * * * *'", "'0 21 * * * *'", "UPDATE_SCHEDULE"),
    (C.wrong_defaults, MAIN, ";Encrypt=yes'", ";Uid=sa;Pwd=x'", "SQL_CONNECTION_STRING"),
    (C.wrong_limits, MAIN, "@allowed(['explicit', 'omit'])", "@allowed(['explicit', 'none'])", "none is refused"),
    (C.wrong_limits, MAIN, "@maxValue(8760)", "@maxValue(9000)", "missingAfterHours: 9000 is refused"),
    (C.wrong_limits, MAIN, "@maxValue(8760)", "@maxValue(100)", "missingAfterHours: 101 is taken by the app"),
    (C.wrong_role_assignments, ROLES, "b7e6dc6d-f1e8", "ba92f5b4-2d11", "role definitions"),
    (C.wrong_role_assignments, ROLES, "  scope: vault\n", "  scope: storage\n", "assignments"),
    (C.wrong_role_assignments, ROLES, "principalType: 'ServicePrincipal'", "principalType: 'User'", "assignments"),
    (
        C.wrong_role_assignments,
        ROLES,
        "guid(vault.id, principalId, roles.keyVaultSecretsUser)",
        "guid(vault.id, principalId, roles.monitoringMetricsPublisher)",
        "its name does not follow",
    ),
    (C.wrong_role_assignments, ROLES, "if (!empty(vaultOfficerObjectId))", "if (!empty(principalId))", "nobody may"),
    (
        C.open_doors,
        STORAGE,
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: true",
        "allowSharedKeyAccess is True",
    ),
    (C.open_doors, MONITORING, "    DisableLocalAuth: true\n", "", "DisableLocalAuth is None"),
    (C.open_doors, DATABASE, "azureADOnlyAuthentication: true", "azureADOnlyAuthentication: false", "azureADOnly"),
    (C.open_doors, DATABASE, "    version: '12.0'\n", "    administratorLogin: 'sa'\n", "administratorLogin is 'sa'"),
    (C.open_doors, FUNCTION_APP, "version: '3.12'", "version: '3.9'", "runtime.version is '3.9'"),
    (C.open_doors, FUNCTION_APP, "    allow: false\n", "    allow: true\n", "properties.allow is True"),
    (
        C.leaks,
        MAIN,
        "@minLength(1)\nparam timeZone",
        "@secure()\nparam timeZone",
        "timeZone is secure and has a default",
    ),
    (C.leaks, MAIN, "param timeZone string", "param hrPassword string", "hrPassword looks like a secret"),
    (
        C.leaks,
        STORAGE,
        "output id string = account.id",
        "output id string = account.listKeys().keys[0].value",
        "listKeys",
    ),
    (C.leaks, MONITORING, "= insights.name", "= insights.properties.ConnectionString", "ConnectionString"),
    (C.leaks, KEY_VAULT, "'to-log-analytics'", "'Microsoft.KeyVault/vaults/secrets'", "a deployment writes a secret"),
    (C.leaks, MAIN, "GRAPH_BULK_UPLOAD_URL: graphBulkUploadUrl", "A: 'x;Password=y'", "A: credentials in a setting"),
    (C.wrong_secret_settings, MAIN, "alertWebhook ? '@Microsoft.KeyVault(", "alertWebhook ? '(", "ALERT_WEBHOOK_URL"),
    (C.wrong_secret_settings, MAIN, "replace(name, '_', '-')", "replace(name, '_', '')", "secrets of HR"),
    (C.wrong_secret_settings, MAIN, "${environment().suffixes.keyvaultDns}", ".vault.example", "the vault's address"),
    (C.wrong_secret_settings, MAIN, "/sign-in-client-secret)", "/hr-password)", "secret of the registration"),
    (
        C.wrong_secret_settings,
        MAIN,
        "union(hrSettings, signInSettings) : hrSettings",
        "signInSettings : hrSettings",
        "va",
    ),
    (C.refused_by_lint, MAIN, "vaultOfficerObjectId", "secretsOfficerObjectId", "in-params: secretsOfficerObjectId"),
    (C.refused_by_lint, FUNCTION_APP, "vaultSettings", "secretSettings", "secure-secrets-in-params: secretSettings"),
    (C.refused_by_lint, NETWORK, "vaultcore.azure.net", "vault.azure.net", "no-hardcoded-env-urls: privatelink"),
    (C.refused_by_lint, STORAGE, "name: packages", "name: '${packages}'", "simplify-interpolation"),
    (C.wrong_graph_roles, MAIN, "'ProvisioningLog.Read.All'", "'AuditLog.Read.All'", "AuditLog.Read.All"),
    (C.wrong_graph_roles, MAIN, "['SynchronizationData-User.Upload'],", "['A', 'B'],", "roles: [['A', 'B']]"),
    (C.wrong_graph_roles, MAIN, "readProvisioningJob ? [", "readProvisioningLogs ? [", "roles"),
    (C.wrong_graph_roles, MAIN, "= !empty(compareSchedule)", "= empty(compareSchedule)", "may read it"),
    (C.wrong_graph_roles, GRAPH_ROLES, "role.value == roleName", "role.value != roleName", "by its name"),
    (C.wrong_graph_roles, GRAPH_ROLES, "00000003-0000-0000-c000", "00000002-0000-0000-c000", "not Microsoft Graph"),
    (C.wrong_sign_in, SIGN_IN, "value: 'Approver'", "value: 'Admin'", "'Admin'"),
    (C.wrong_sign_in, SIGN_IN, "'AzureADMyOrg'", "'AzureADMultipleOrgs'", "other tenants"),
    (C.wrong_sign_in, SIGN_IN, "appRoleAssignmentRequired: true", "appRoleAssignmentRequired: false", "without a role"),
    (C.wrong_sign_in, EASY_AUTH, "requireAuthentication: false", "requireAuthentication: true", "function keys"),
    (C.wrong_sign_in, EASY_AUTH, "SettingName: credentialSetting", "SettingName: 'SOME_SETTING'", "is proven by"),
    (C.wrong_sign_in, MAIN, ": 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'", ": 'SIGN_IN_CLIENT_SECRET'", "is proven by"),
    (C.wrong_sign_in, FUNCTION_APP, "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID:", "OVERRIDE:", "identity that stands"),
    (C.wrong_sign_in, EASY_AUTH, "      enabled: false\n", "      enabled: true\n", "tokens are kept"),
    (
        C.wrong_network,
        MAIN,
        "'modules/network.bicep' = if (privateNetworking)",
        "'modules/network.bicep' = if (grantGraphRoles)",
        "network",
    ),
    (C.wrong_network, MAIN, "groupId: 'vault'", "groupId: 'blob'", "endpoints"),
    (C.wrong_network, STORAGE, "privateOnly ? 'Disabled' : 'Enabled'", "'Enabled'", "storage: stays open"),
    (C.wrong_network, DATABASE, "= if (!privateOnly) {", "= if (privateOnly) {", "lets Azure in"),
    (C.wrong_network, MAIN, "    keyVaultEndpoint\n", "", "the app waits for"),
    (C.wrong_network, NETWORK, "Microsoft.App/environments", "Microsoft.Web/serverFarms", "not for Flex Consumption"),
    (C.wrong_alerts, "infra/alerts/2-held.kql", "== 3", "== 4", "not those of the page"),
    (C.wrong_alerts, "docs/operations.md", "80 * toint", "90 * toint", "not those of the page"),
    (C.wrong_alerts, ALERTS, "'A run failed'", "'Failed'", "names"),
    (C.wrong_alerts, ALERTS, "window: 'P2D'", "window: 'P1D'", "looks back less far"),
    (C.wrong_alerts, ALERTS, "operator: 'GreaterThan'", "operator: 'LessThan'", "a row does not fire"),
    (C.wrong_alerts, ALERTS, "enabled: watchIngest", "enabled: true", "missing ingest"),
    (C.wrong_alerts, ALERTS, "people.id", "alerts.id", "reaches nobody"),
    (C.wrong_diagnostics, DATABASE, "category: 'Timeouts'", "category: 'Errors'", "database"),
    (C.wrong_diagnostics, KEY_VAULT, "enabled: true", "enabled: false", "key-vault"),
    (C.unknown_to_scripts, MAIN, "output SQL_DATABASE string", "output SQL_DB string", "migrate.sh: SQL_DATABASE"),
]


@pytest.mark.parametrize(
    ("check", "path", "old", "new", "told"), BROKEN, ids=lambda v: v[:40] if isinstance(v, str) else ""
)
def test_a_mistake_is_found_by_the_check_that_is_for_it(
    check: Callable[[Files], Iterator[str]], path: str, old: str, new: str, told: str
) -> None:
    assert told in "\n".join(problems(check, altered(path, old, new)))


def test_every_check_is_seen_to_find_something() -> None:
    assert {check for check, *_ in BROKEN} == set(CHECKS)


def test_what_is_no_bicep_is_refused() -> None:
    with pytest.raises(lark.exceptions.UnexpectedInput):
        bicep.parse("param name string = {\n")


def test_names_are_read_within_strings_loops_and_lambdas_and_keys_are_none() -> None:
    loop = "param a string\nvar b = [\n  for (x, n) in c: {\n    key: '${x}-${f(d)}'\n  }\n]\n"
    names = bicep.names(loop + "var e = filter(g, h => h.i == 'j')\n")
    assert names.used == {"c", "d", "g"}
    assert names.called == {"f", "filter"}
    assert bicep.names("var y = m!.outputs.one\nvar z = '${n.outputs.two}'\n").taken == {("m", "one"), ("n", "two")}


def test_the_compilers_settings_turn_its_lint_rules_into_errors() -> None:
    config = json.loads(FILES["infra/bicepconfig.json"])
    assert config["extensions"]["microsoftGraphV1"].startswith(
        "br:mcr.microsoft.com/bicep/extensions/microsoftgraph/v1.0:"
    )
    rules = config["analyzers"]["core"]["rules"]
    for rule in ("secure-parameter-default", "outputs-should-not-contain-secrets", "no-unused-params"):
        assert rules[rule]["level"] == "error"


def test_azd_finds_the_service_the_hook_and_the_template() -> None:
    """azure.yaml is read without a YAML parser: it is as plain as that."""
    text = FILES["azure.yaml"]
    values = dict(re.findall(r"(?m)^ +(\w+): \"?([^\"#\n]+?)\"?(?: #.*)?$", text))
    services = re.findall(r"(?ms)^services:\n  (\w+):", text)
    assert services == ["app"]
    assert f"'azd-service-name': '{services[0]}'" in FILES[FUNCTION_APP]
    assert {k: values[k] for k in ("provider", "path", "module")} == {
        "provider": "bicep",
        "path": "infra",
        "module": "main",
    }
    assert {k: values[k] for k in ("host", "language", "remoteBuild")} == {
        "host": "function",
        "language": "python",
        "remoteBuild": "true",
    }
    hook = ROOT / values["run"]
    assert "\nhooks:\n  postprovision:\n" in text
    assert hook.read_text("utf-8").startswith("#!/bin/sh\n")
    assert hook.stat().st_mode & 0o111


def test_what_is_deployed_is_the_app_and_nothing_beside_it() -> None:
    ignored = (ROOT / ".funcignore").read_text("utf-8").split()
    for name in ("infra", "azure.yaml", ".azure", "tests", "sql", "docs", "local.settings.json"):
        assert name in ignored
    assert ".azure/" in (ROOT / ".gitignore").read_text("utf-8").split()  # azd's environments, with ids of tenants


def test_the_page_about_infra_names_every_parameter_and_every_file() -> None:
    page = FILES["infra/README.md"]
    for name in bicep.parse(FILES[MAIN]).section("parameters"):
        variable = infrastructure.environment_name(name)
        assert f"`{variable}`" in page or variable in infrastructure.app_reads(), name
    for path in FILES:
        assert PurePath(path).name in page or not path.startswith("infra/"), path


def test_every_file_and_address_of_a_script_that_a_page_names_is_there() -> None:
    for path, text in FILES.items():
        for name in re.findall(r"infra/[\w./-]+\.(?:sh|sql|bicep|kql)\b", text):
            assert name in FILES, (path, name)

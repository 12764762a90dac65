"""What must hold for infra/, as checks that name whatever is wrong. tests/test_infra.py runs them, and breaks each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from provisioning import callers, rights
from provisioning.errors import SettingsError
from provisioning.settings import Settings
from tests import bicep
from tests.bicep import Template

ROOT = Path(__file__).parent.parent
MAIN, PARAMETERS = "infra/main.bicep", "infra/main.bicepparam"
Files = Mapping[str, str]
"""Paths below the project's root and what stands in the files."""


def files() -> dict[str, str]:
    """Everything that infra/ and what belongs to it is made of."""
    found = [*(ROOT / "infra").rglob("*"), ROOT / "azure.yaml", ROOT / "docs" / "operations.md"]
    return {p.relative_to(ROOT).as_posix(): p.read_text("utf-8") for p in found if p.is_file()}


def templates(all_files: Files) -> dict[str, Template]:
    """The Bicep files, parsed."""
    return {path: bicep.parse(text) for path, text in all_files.items() if path.endswith(".bicep")}


def module(name: str) -> str:
    """The path of a module."""
    return f"infra/modules/{name}.bicep"


# ---------------------------------------------------------------------------------------------- what there is

RESOURCES: dict[str, list[str]] = {
    MAIN: ["Microsoft.Resources/resourceGroups"],
    module("identity"): ["Microsoft.ManagedIdentity/userAssignedIdentities"],
    module("monitoring"): ["Microsoft.Insights/components", "Microsoft.OperationalInsights/workspaces"],
    module("alerts"): ["Microsoft.Insights/actionGroups", "Microsoft.Insights/scheduledQueryRules"],
    module("storage"): [
        "Microsoft.Insights/diagnosticSettings",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Storage/storageAccounts/blobServices",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
    ],
    module("database"): [
        "Microsoft.Insights/diagnosticSettings",
        "Microsoft.Sql/servers",
        "Microsoft.Sql/servers/databases",
        "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies",
        "Microsoft.Sql/servers/firewallRules",
    ],
    module("key-vault"): ["Microsoft.Insights/diagnosticSettings", "Microsoft.KeyVault/vaults"],
    module("role-assignments"): ["Microsoft.Authorization/roleAssignments"] * 4,
    module("network"): [
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
        "Microsoft.Network/virtualNetworks",
    ],
    module("private-endpoint"): [
        "Microsoft.Network/privateEndpoints",
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    ],
    module("function-app"): [
        "Microsoft.Web/serverfarms",
        "Microsoft.Web/sites",
        "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
        "Microsoft.Web/sites/config",
    ],
    module("easy-auth"): ["Microsoft.Web/sites/config"],
    module("sign-in"): [
        "Microsoft.Graph/applications",
        "Microsoft.Graph/applications/federatedIdentityCredentials",
        "Microsoft.Graph/servicePrincipals",
    ],
    module("graph-roles"): ["Microsoft.Graph/appRoleAssignedTo"],
}
PREVIEWS = {"Microsoft.Insights/diagnosticSettings": "2021-05-01-preview"}
"""Types that have no newer version than a preview."""


def resources(template: Template) -> dict[str, dict[str, Any]]:
    """The resources that a file makes, by their symbolic names; those that it only refers to are left out."""
    return {n: r for n, r in template.section("resources").items() if not r["existing"]}


def wrong_resources(all_files: Files) -> Iterator[str]:
    """Each file makes exactly what is listed; one type is spoken to in one version everywhere."""
    parsed = templates(all_files)
    for path in sorted(parsed.keys() | RESOURCES.keys()):
        found = sorted(r["type"] for r in resources(parsed[path]).values()) if path in parsed else []
        if found != RESOURCES.get(path):
            yield f"{path}: makes {found}, not {RESOURCES.get(path)}"
    versions: dict[str, set[str]] = {}
    for template in parsed.values():
        for resource in template.section("resources").values():
            versions.setdefault(resource["type"], set()).add(resource["api_version"])
    for kind, found_versions in versions.items():
        wanted = r"v1\.0" if kind.startswith("Microsoft.Graph/") else r"20\d\d-\d\d-\d\d"
        if kind in PREVIEWS:
            wanted = re.escape(PREVIEWS[kind])
        if len(found_versions) > 1 or not re.fullmatch(wanted, next(iter(found_versions))):
            yield f"{kind}: versions {sorted(found_versions)}"


UNTAGGED = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies",
    "Microsoft.Sql/servers/firewallRules",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
}
"""Types that know no tags; those of Graph neither."""


def untagged(all_files: Files) -> Iterator[str]:
    """Whatever can have tags has them."""
    for path, template in templates(all_files).items():
        for name, resource in resources(template).items():
            tagged = "tags" in bicep.settled(resource["config"])
            if tagged == (resource["type"] in UNTAGGED or resource["type"].startswith("Microsoft.Graph/")):
                yield f"{path}: {name}"


def undocumented(all_files: Files) -> Iterator[str]:
    """Every parameter has a description; every text and number of main.bicep is validated, unless it may be empty."""
    for path, template in templates(all_files).items():
        for name, parameter in template.section("parameters").items():
            said = template.decorators(name)
            if not said.get("description"):
                yield f"{path}: {name} has no description"
            checked = set(said) - {"description", "metadata"}
            may_be_empty = parameter["type"] == "string" and parameter["default"] == ""
            if path == MAIN and parameter["type"] in ("string", "int") and not checked and not may_be_empty:
                yield f"{path}: {name} is not validated"


# -------------------------------------------------------------------------------------------- how files fit together


def wrong_names(all_files: Files) -> Iterator[str]:
    """Every name that an expression uses is declared, every parameter and variable is used, every function known."""
    for path, template in templates(all_files).items():
        names = bicep.names(template.text)
        plain = set(template.section("parameters")) | set(template.section("variables"))
        declared = plain | set(template.section("resources")) | set(template.section("modules"))
        yield from (f"{path}: {name} is not declared" for name in sorted(names.used - declared))
        yield from (f"{path}: {name} is not used" for name in sorted(plain - names.used))
        yield from (f"{path}: {name}() is not known" for name in sorted(names.called - bicep.FUNCTIONS))


def modules(all_files: Files) -> Iterator[tuple[str, Template, Template, dict[str, Any]]]:
    """Where a module is used: its name there, the file that uses it, its own file, and its body."""
    parsed = templates(all_files)
    for path, template in parsed.items():
        for name, used in template.section("modules").items():
            target = (PurePosixPath(path).parent / used["detail"]["path"]).as_posix()
            yield name, template, parsed[target], bicep.settled(used["config"])


def misfits(all_files: Files) -> Iterator[str]:
    """A module gets each parameter that it needs and no other, of the same type and limits; outputs taken exist."""
    parsed, used = templates(all_files), set()
    for name, user, target, body in modules(all_files):
        given, wanted = body["params"], target.section("parameters")
        yield from (f"{name}: lacks {p}" for p, d in wanted.items() if d["default"] is None and p not in given)
        yield from (f"{name}: is given {p}, which it does not know" for p in given if p not in wanted)
        for parameter, value in given.items():
            yield from _misfit(f"{name}.{parameter}", user, target, parameter, value)
        taken = {output for module_name, output in bicep.names(user.text).taken if module_name == name}
        yield from (f"{name}: has no output {o}" for o in sorted(taken - set(target.section("outputs"))))
        used |= {(target.text, output) for output in taken}
    for path, template in parsed.items():
        if path != MAIN:
            left = [o for o in template.section("outputs") if (template.text, o) not in used]
            yield from (f"{path}: nobody takes its output {output}" for output in left)
    if unused := set(parsed) - {MAIN} - {p for p, t in parsed.items() if any(t is m[2] for m in modules(all_files))}:
        yield f"used by nobody: {sorted(unused)}"


def _misfit(where: str, user: Template, target: Template, parameter: str, value: Any) -> Iterator[str]:
    """A parameter that is handed on as it came has one type, and is checked at least as strictly where it came in."""
    known = parameter in target.section("parameters")
    if not known or not isinstance(value, str) or value not in user.section("parameters"):
        return
    ours, theirs = user.section("parameters")[value], target.section("parameters")[parameter]
    if ours["type"] != theirs["type"]:
        yield f"{where}: {theirs['type']} is given {ours['type']}"
    kinds = ("allowed", "min_value", "max_value", "min_length", "max_length")
    said, wanted = user.decorators(value), target.decorators(parameter)
    for kind in kinds:
        if kind in wanted and said.get(kind) != wanted[kind]:
            yield f"{where}: {kind} {wanted[kind]} there, {said.get(kind)} here"


def wrong_parameter_file(all_files: Files) -> Iterator[str]:
    """main.bicepparam names every parameter once, by one variable of the environment, with main.bicep's default."""
    main = bicep.parse(all_files[MAIN])
    given = bicep.parse_parameters(all_files[PARAMETERS]).section("variables")
    for name in sorted(set(given) ^ set(main.section("parameters"))):
        yield f"{name}: in one of both files only"
    seen: set[str] = set()
    for name, parameter in main.section("parameters").items():
        if name not in given:
            continue
        variables = bicep.variables_read(given[name]["value"])
        if variables != {environment_name(name)} or variables & seen:
            yield f"{name}: reads {sorted(variables)}, not {environment_name(name)}"
        seen |= variables
        if parameter["default"] is not None and bicep.evaluate(given[name]["value"], {}) != bicep.evaluate(
            parameter["default"], {}
        ):
            yield f"{name}: another default"
    if kept := sorted(seen & set(main.section("outputs"))):
        yield f"an output would be read as a parameter the next time: {kept}"


def environment_name(parameter: str) -> str:
    """timeZone → TIME_ZONE; the two that azd itself sets have its names."""
    azd = {"environmentName": "AZURE_ENV_NAME", "location": "AZURE_LOCATION"}
    return azd.get(parameter) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter).upper()


# ------------------------------------------------------------------------------------------------------- settings


class Recorded(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Begin with these values."""
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """As a dict, and remember."""
        self.asked.add(key)
        return super().get(key, default)


def app_reads() -> set[str]:
    """Every setting that the app reads: those of Settings, and the schedules that triggers are bound to."""
    environ = Recorded({})
    Settings.from_environ(environ)
    triggers = re.findall(r'schedule="%(\w+)%"', (ROOT / "function_app.py").read_text("utf-8"))
    return environ.asked | set(triggers)


HOST_SETTINGS = {
    "AzureWebJobsStorage__blobServiceUri": "the host's storage, by its address instead of a connection string",
    "AzureWebJobsStorage__credential": "with the managed identity",
    "AzureWebJobsStorage__clientId": "which of the app's identities",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "where telemetry goes",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "with a token, since keys are switched off there",
    "AZURE_CLIENT_ID": "which identity azure-identity takes, for Graph and the database",
    "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID": "Easy Auth: the identity that stands in for a client secret",
}
"""What nobody but the host and azure-identity reads, and why it is there."""

FORBIDDEN_ON_FLEX = {
    *("ENABLE_ORYX_BUILD", "FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_MAX_HTTP_CONCURRENCY"),
    *("FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED", "FUNCTIONS_WORKER_PROCESS_COUNT"),
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "SCM_DO_BUILD_DURING_DEPLOYMENT", "TZ"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTOVERVNET", "WEBSITE_CONTENTSHARE"),
    *("WEBSITE_DNS_SERVER", "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT", "WEBSITE_NODE_DEFAULT_VERSION"),
    *("WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_SKIP_CONTENTSHARE_VALIDATION", "WEBSITE_TIME_ZONE"),
    *("WEBSITE_USE_PLACEHOLDER", "WEBSITE_VNET_ROUTE_ALL"),
    # Not of that list, and never wanted: with it the host would use a key, whatever stands beside it.
    *("AzureWebJobsStorage", "AzureWebJobsDashboard", "APPINSIGHTS_INSTRUMENTATIONKEY"),
}
"""https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations"""


def given_settings(all_files: Files) -> tuple[dict[str, Any], dict[str, Any]]:
    """What main.bicep gives the app, and what the function app's module adds for the host."""
    main = bicep.parse(all_files[MAIN])
    app = bicep.settled(main.section("modules")["functionApp"]["config"])["params"]["appSettings"]
    host = bicep.parse(all_files[module("function-app")]).section("variables")["hostSettings"]["value"]
    return app, host


def wrong_settings(all_files: Files) -> Iterator[str]:
    """The app gets every setting that it reads, the host what is listed, and nobody anything else."""
    app, host = given_settings(all_files)
    yield from (f"{name} is not set" for name in sorted(app_reads() - set(app)))
    yield from (f"{name} is set, and nobody reads it" for name in sorted(set(app) - app_reads()))
    yield from (f"{name}: the host" for name in sorted(set(host) ^ set(HOST_SETTINGS)))
    config = bicep.parse(all_files[module("function-app")]).section("resources")["settings"]["config"]["properties"]
    if bicep.call(config) != ("union", ["vaultSettings", "appSettings", "hostSettings"]):
        yield "the settings are not those three, the later ones winning"


def forbidden_settings(all_files: Files) -> Iterator[str]:
    """Settings that Flex Consumption has done away with stand nowhere in infra/, azure.yaml included."""
    for path, text in all_files.items():
        if path.startswith(("infra/", "azure.yaml")) and not path.endswith(".md"):
            words = set(re.findall(r"\w+", re.sub(r"(?m)^\s*(//|#).*$", "", text)))
            yield from (f"{path}: {name}" for name in sorted(words & FORBIDDEN_ON_FLEX))


def environment(all_files: Files, **changed: Any) -> dict[str, str]:
    """The app's settings as the parameters' defaults make them, apart from what is changed."""
    main = bicep.parse(all_files[MAIN])
    values = {n: bicep.evaluate(p["default"], {}) for n, p in main.section("parameters").items()} | changed
    app, _ = given_settings(all_files)
    return {name: str(bicep.evaluate(node, values)) for name, node in app.items()}


def wrong_defaults(all_files: Files) -> Iterator[str]:
    """Whoever sets nothing gets the app's own defaults, and the schedules of local.settings.example.json."""
    given = environment(all_files)
    connection = given.pop("SQL_CONNECTION_STRING")
    if Settings.from_environ(given) != Settings.from_environ({}):
        yield "the settings by default are not those of the app"
    if not re.fullmatch(r"Server=tcp:\$\{[\w.]+\},1433;Database=\$\{[\w.]+\};Encrypt=yes", connection):
        yield f"SQL_CONNECTION_STRING: {connection}"
    example = bicep.json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))["Values"]
    yield from (name for name in given if name.endswith("_SCHEDULE") and given[name] != example[name])


def wrong_limits(all_files: Files) -> Iterator[str]:
    """What a parameter allows the app takes, and what lies just beyond the app refuses."""
    main = bicep.parse(all_files[MAIN])
    app, _ = given_settings(all_files)
    handed_on = {v for node in app.values() for v in bicep.strings(node)}
    for name in main.section("parameters").keys() & handed_on:
        said = main.decorators(name)
        for value in (*said.get("allowed", ()), *(said[k] for k in ("min_value", "max_value") if k in said)):
            if not _accepted(environment(all_files, **{name: value})):
                yield f"{name}: {value} is refused by the app"
        for kind, step in (("min_value", -1), ("max_value", +1)):
            if kind in said and _accepted(environment(all_files, **{name: said[kind] + step})):
                yield f"{name}: {said[kind] + step} is taken by the app, and not allowed here"


def _accepted(given: dict[str, str]) -> bool:
    try:
        Settings.from_environ(given)
    except SettingsError:
        return False
    return True


# -------------------------------------------------------------------------------------------- rights and secrets

ROLE_DEFINITIONS = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "keyVaultSecretsOfficer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
}
"""https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""

ASSIGNED = {
    ("storage", "storageBlobDataOwner", "principalId", "ServicePrincipal"),
    ("insights", "monitoringMetricsPublisher", "principalId", "ServicePrincipal"),
    ("vault", "keyVaultSecretsUser", "principalId", "ServicePrincipal"),
    ("vault", "keyVaultSecretsOfficer", "vaultOfficerObjectId", "vaultOfficerType"),
}
"""On what, which role, to whom, of what kind."""


def wrong_role_assignments(all_files: Files) -> Iterator[str]:
    """The app has three roles, each on one resource; whoever puts secrets into the vault has one; nobody else any."""
    template = bicep.parse(all_files[module("role-assignments")])
    roles = template.section("variables")["roles"]["value"]
    if roles != ROLE_DEFINITIONS:
        yield f"role definitions: {roles}"
    found = []
    for resource in resources(template).values():
        body = bicep.settled(resource["config"])
        properties = body["properties"]
        called = bicep.call(properties["roleDefinitionId"]) or ("", [])
        names = [s for s in bicep.strings(called[1]) if s in ROLE_DEFINITIONS]
        if called[0] != "subscription_resource_id" or "Microsoft.Authorization/roleDefinitions" not in called[1]:
            yield f"roleDefinitionId: {called}"
        seeds = list(bicep.strings(body["name"]))
        if [s for s in seeds if s in ROLE_DEFINITIONS] != names or properties["principalId"] not in seeds:
            yield f"{body['scope']}: its name does not follow from the role and from whom it is given to"
        found.append((body["scope"], *names, properties["principalId"], properties["principalType"]))
    if len(found) != len(set(found)) or set(found) != ASSIGNED:
        yield f"assignments: {sorted(found)}"
    officer = resources(template)["putsSecrets"]["config"]
    if "vaultOfficerObjectId" not in bicep.strings(bicep.condition(officer)):
        yield "without a name nobody may be given the secrets"


def open_doors(all_files: Files) -> Iterator[str]:
    """No keys, no passwords, no old TLS; what must be off is off, what must be on is on."""
    parsed = templates(all_files)
    for name, kind, wanted in CLOSED:
        bodies = [bicep.settled(r["config"]) for r in resources(parsed[module(name)]).values() if r["type"] == kind]
        for path, value in wanted.items():
            for body in bodies:
                found = _at(body, path)
                if found != value or isinstance(found, bool) is not isinstance(value, bool):
                    yield f"{name}: {path} is {found!r}, not {value!r}"
        if not bodies:
            yield f"{name}: no {kind}"


CLOSED: list[tuple[str, str, dict[str, Any]]] = [
    (
        "storage",
        "Microsoft.Storage/storageAccounts",
        {
            "properties.allowSharedKeyAccess": False,
            "properties.allowBlobPublicAccess": False,
            "properties.defaultToOAuthAuthentication": True,
            "properties.supportsHttpsTrafficOnly": True,
            "properties.minimumTlsVersion": "TLS1_2",
        },
    ),
    ("storage", "Microsoft.Storage/storageAccounts/blobServices/containers", {"properties.publicAccess": "None"}),
    (
        "monitoring",
        "Microsoft.Insights/components",
        {"properties.DisableLocalAuth": True, "properties.WorkspaceResourceId": "workspace.id"},
    ),
    ("monitoring", "Microsoft.OperationalInsights/workspaces", {"properties.features.disableLocalAuth": True}),
    (
        "database",
        "Microsoft.Sql/servers",
        {
            "properties.administrators.azureADOnlyAuthentication": True,
            "properties.administrators.administratorType": "ActiveDirectory",
            "properties.minimalTlsVersion": "1.2",
            "properties.administratorLogin": None,
            "properties.administratorLoginPassword": None,
        },
    ),
    ("database", "Microsoft.Sql/servers/databases", {"sku.name": "GP_S_Gen5", "properties.minCapacity": "json"}),
    (
        "key-vault",
        "Microsoft.KeyVault/vaults",
        {
            "properties.enableRbacAuthorization": True,
            "properties.enablePurgeProtection": True,
            "properties.enableSoftDelete": True,
            "properties.accessPolicies": None,
        },
    ),
    ("function-app", "Microsoft.Web/serverfarms", {"sku.name": "FC1", "sku.tier": "FlexConsumption"}),
    (
        "function-app",
        "Microsoft.Web/sites",
        {
            "kind": "functionapp,linux",
            "identity.type": "UserAssigned",
            "properties.httpsOnly": True,
            "properties.keyVaultReferenceIdentity": "identityId",
            "properties.siteConfig.minTlsVersion": "1.2",
            "properties.siteConfig.linuxFxVersion": None,
            "properties.siteConfig.appSettings": None,
            "properties.functionAppConfig.runtime.name": "python",
            "properties.functionAppConfig.runtime.version": "3.12",
            "properties.functionAppConfig.deployment.storage.type": "blobContainer",
            "properties.functionAppConfig.deployment.storage.authentication.type": "UserAssignedIdentity",
        },
    ),
    ("function-app", "Microsoft.Web/sites/basicPublishingCredentialsPolicies", {"properties.allow": False}),
]


def _at(body: Any, path: str) -> Any:
    """What stands at a dotted path; a property of something as `a.b`, a function by its name."""
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    if isinstance(body, dict) and "operator" in body and body["operator"]["type"] == "property_accessor":
        return ".".join(bicep.strings(list(body["operator"]["operands"].values())))
    called = bicep.call(body)
    return called[0] if called else body


def _chosen(node: Any) -> tuple[Any, Any, Any]:
    """Of `a ? b : c` the three; a function as its name and what is given to it."""
    operands = node["operator"]["operands"] if isinstance(node, dict) and "operator" in node else {}
    three = (operands.get(name) for name in ("condition", "true_value", "false_value"))
    first, then, otherwise = (bicep.call(one) or one for one in three)
    return first, then, otherwise


SIGN_IN_SETTING = "SIGN_IN_CLIENT_SECRET"
SECRET = re.compile(r"password|secret(?!Names)|token(?!Store)|accesskey|connectionstring|sas", re.I)
READERS = re.compile(r"\blist(Keys|Secrets|AccountSas|ServiceSas|Credentials)?\s*\(|\bgetSecret\(|ConnectionString\b")


def leaks(all_files: Files) -> Iterator[str]:
    """No secret has a default or comes out, and none goes in: people put them into the vault."""
    for path, template in templates(all_files).items():
        for name, parameter in template.section("parameters").items():
            secure = "secure" in template.decorators(name)
            if secure and parameter["default"] is not None:
                yield f"{path}: {name} is secure and has a default"
            if not secure and SECRET.search(name):
                yield f"{path}: {name} looks like a secret and is not secure"
            if path == MAIN and secure:
                yield f"{path}: {name}: a deployment takes no secrets"
        outputs = re.findall(r"(?m)^output .*$", template.text)
        yield from (f"{path}: {line}" for line in outputs if READERS.search(line) or SECRET.search(line.split()[1]))
        if "Microsoft.KeyVault/vaults/secrets" in template.text:
            yield f"{path}: a deployment writes a secret"
    app, host = given_settings(all_files)
    for name, node in (app | host).items():
        for text in bicep.strings(node):
            if re.search(r"(?i)(password|pwd|accountkey|sharedaccess|uid)\s*=", text):
                yield f"{name}: credentials in a setting"


def wrong_secret_settings(all_files: Files) -> Iterator[str]:
    """HR's secrets and the webhook are references to the vault, without a version, so that a new one is taken up."""
    main = bicep.parse(all_files[MAIN])
    webhook = environment(all_files, alertWebhook=True)["ALERT_WEBHOOK_URL"]
    if webhook != "@Microsoft.KeyVault(SecretUri=${secretsUrl}/alert-webhook-url)":
        yield f"ALERT_WEBHOOK_URL: {webhook}"
    if environment(all_files)["ALERT_WEBHOOK_URL"] != "":
        yield "ALERT_WEBHOOK_URL: not empty by default"
    made = bicep.call(main.section("variables")["hrSettings"]["value"])
    shape = "@Microsoft.KeyVault(SecretUri=${secretsUrl}/${toLower(replace(name, '_', '-'))})"
    if not made or made[0] != "toObject" or made[1][0] != "hrSecretNames" or shape not in bicep.strings(made[1]):
        yield f"secrets of HR: {made}"
    sign_in = main.section("variables")["signInSettings"]["value"]
    if sign_in != {SIGN_IN_SETTING: "@Microsoft.KeyVault(SecretUri=${secretsUrl}/sign-in-client-secret)"}:
        yield f"the secret of the registration: {sign_in}"
    given = bicep.settled(main.section("modules")["functionApp"]["config"])["params"]["vaultSettings"]
    if _chosen(given) != ("signInFromVault", ("union", ["hrSettings", "signInSettings"]), "hrSettings"):
        yield f"from the vault: {given}"
    url = main.section("variables")["secretsUrl"]["value"]
    if url != "https://${keyVaultName}${environment().suffixes.keyvaultDns}/secrets":
        yield f"the vault's address: {url}"


LOOKS_SECRET = re.compile(r"password|pwd|secret|accountkey|acctkey", re.I)
LOOKS_PLAIN = re.compile(r"secretpermissions|secretversion|secretur[il]|secretname", re.I)
ENVIRONMENT_URLS = re.compile(
    r"(?<![a-z\d])(azuredatalakeanalytics\.net|azuredatalakestore\.net|batch\.core\.windows\.net|core\.windows\.net|"
    r"database\.windows\.net|datalake\.azure\.net|gallery\.azure\.com|graph\.windows\.net|login\.microsoftonline\.com|"
    r"management\.azure\.com|management\.core\.windows\.net|vault\.azure\.net)(?![a-z\d])",
    re.I,
)
"""As https://github.com/Azure/bicep has them: SecretsInParamsMustBeSecureRule.cs and bicepconfig.json in Bicep.Core."""


def refused_by_lint(all_files: Files) -> Iterator[str]:
    """What Bicep's own lint refuses by names and texts alone, where infra/bicepconfig.json makes it an error."""
    rules = bicep.json.loads(all_files["infra/bicepconfig.json"])["analyzers"]["core"]["rules"]
    for path, template in templates(all_files).items():
        for name, parameter in template.section("parameters").items():
            text = parameter["type"] in ("string", "object") and "secure" not in template.decorators(name)
            if text and LOOKS_SECRET.search(name) and not LOOKS_PLAIN.search(name):
                yield f"{path}: secure-secrets-in-params: {name}"
        for token in bicep.tokens(template.text):
            if token.kind == "text" and ENVIRONMENT_URLS.search(token.text):
                yield f"{path}: no-hardcoded-env-urls: {token.text}"
        yield from (f"{path}: simplify-interpolation: {t}" for t in re.findall(r"'\$\{\w+\}'(?!:)", template.text))
    for name in ("secure-secrets-in-params", "no-hardcoded-env-urls", "simplify-interpolation"):
        if rules.get(name) != {"level": "error"}:
            yield f"{name} is no error"


# --------------------------------------------------------------------------------------------- Entra and sign-in


def wrong_graph_roles(all_files: Files) -> Iterator[str]:
    """The roles of the code, that for sending always, those for reading as options; and of Microsoft Graph alone."""
    if "var comparesDirectory = !empty(compareSchedule)\n" not in all_files[MAIN]:
        yield "who does not compare the directory may read it"
    main = bicep.parse(all_files[MAIN])
    body = bicep.settled(main.section("modules")["graphRoles"]["config"])
    joined = bicep.call(body["params"]["roleNames"]) or ("", [])
    always = [one for one in joined[1] if isinstance(one, list)]
    options = {}
    for one in joined[1]:
        if isinstance(one, dict):
            operands = one["operator"]["operands"]
            options[operands["condition"]] = (operands["true_value"], operands["false_value"])
    if always != [[rights.UPLOAD_ROLE]] or options != {
        "readProvisioningLogs": ([rights.LOGS_ROLE], []),
        "readProvisioningJob": ([rights.JOB_ROLE], []),
        "comparesDirectory": ([rights.USERS_ROLE], []),
    }:
        yield f"roles: {always} and {options}"
    template = bicep.parse(all_files[module("graph-roles")])
    graph = template.section("resources")["graph"]
    if graph["config"]["appId"] != "00000003-0000-0000-c000-000000000000":
        yield "not Microsoft Graph"
    grant = bicep.settled(template.section("resources")["grants"]["config"])
    chosen = "filter(graph.appRoles, role => role.value == roleName)[0].id"
    if chosen not in template.text or grant["principalId"] != "principalId":
        yield "not every role goes to the app by its name"
    for path in (module("graph-roles"), module("sign-in")):
        if "extension microsoftGraphV1\n" not in all_files[path]:
            yield f"{path}: no extension"


def wrong_sign_in(all_files: Files) -> Iterator[str]:
    """The roles that the app knows, for people of this tenant; an identity stands in for a secret."""
    template = bicep.parse(all_files[module("sign-in")])
    found = template.section("resources")
    roles = [role["value"] for role in template.section("variables")["roles"]["value"]]
    if tuple(roles) != callers.ROLES:
        yield f"roles: {roles}"
    made = found["registration"]["config"]
    one = bicep.settled(made["appRoles"])
    if (
        one["allowedMemberTypes"] != ["User"]
        or one["isEnabled"] is not True
        or (bicep.call(one["id"]) or [""])[0] != "guid"
    ):
        yield "an app role is not as it should be"
    if made["signInAudience"] != "AzureADMyOrg":
        yield "people of other tenants"
    if made["web"]["redirectUris"] != ["https://${hostName}/.auth/login/aad/callback"]:
        yield "redirect"
    if found["trust"]["config"]["audiences"] != ["api://AzureADTokenExchange"]:
        yield "the identity's token is for somebody else"
    if found["enterpriseApp"]["config"]["appRoleAssignmentRequired"] is not True:
        yield "people without a role get in"
    properties = bicep.parse(all_files[module("easy-auth")]).section("resources")["signIn"]["config"]["properties"]
    provider = properties["identityProviders"]["azureActiveDirectory"]
    validation = properties["globalValidation"]
    if properties["platform"]["enabled"] is not True or provider["enabled"] is not True:
        yield "Easy Auth is off"
    if validation != {"requireAuthentication": False, "unauthenticatedClientAction": "AllowAnonymous"}:
        yield "function keys are kept out"
    main = bicep.parse(all_files[MAIN])
    given = bicep.settled(main.section("modules")["easyAuth"]["config"])["params"]["credentialSetting"]
    identity = "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"
    if provider["registration"]["clientSecretSettingName"] != "credentialSetting" or (
        _chosen(given) != ("signInFromVault", SIGN_IN_SETTING, identity)
    ):
        yield f"the registration is proven by {given}"
    if identity not in given_settings(all_files)[1]:
        yield "the identity that stands for the registration is not set"
    issuers = {provider["registration"]["openIdIssuer"], found["trust"]["config"]["issuer"]}
    if issuers != {"${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0"}:
        yield f"issuers: {issuers}"
    if properties["login"]["tokenStore"]["enabled"] is not False:
        yield "tokens are kept"


# ------------------------------------------------------------------------------------------- network and telemetry


def wrong_network(all_files: Files) -> Iterator[str]:
    """One switch: each service closes to the outside, has an endpoint, and the app a subnet to reach it by."""
    main = bicep.parse(all_files[MAIN])
    endpoints = {}
    for name, used in main.section("modules").items():
        private = used["detail"]["path"] in ("modules/network.bicep", "modules/private-endpoint.bicep")
        if private != (bicep.condition(used["config"]) == "privateNetworking"):
            yield f"{name}: there or not by another switch"
        if used["detail"]["path"] == "modules/private-endpoint.bicep":
            given = bicep.settled(used["config"])["params"]
            endpoints[given["groupId"]] = ".".join(s for s in bicep.strings(given["zoneId"]) if s.endswith("ZoneId"))
    if endpoints != {"blob": "blobZoneId", "sqlServer": "sqlZoneId", "vault": "vaultZoneId"}:
        yield f"endpoints: {endpoints}"
    for name in ("storage", "database", "keyVault"):
        if bicep.settled(main.section("modules")[name]["config"])["params"]["privateOnly"] != "privateNetworking":
            yield f"{name}: closes by another switch"
    for name in ("storage", "database", "key-vault"):
        text = all_files[module(name)]
        if "publicNetworkAccess: privateOnly ? 'Disabled' : 'Enabled'" not in text:
            yield f"{name}: stays open"
        if name != "database" and "defaultAction: privateOnly ? 'Deny' : 'Allow'" not in text:
            yield f"{name}: lets others in"
    if "= if (!privateOnly) {" not in all_files[module("database")]:
        yield "the database lets Azure in, although it is private"
    app = bicep.settled(main.section("modules")["functionApp"]["config"])
    if "appSubnetId" not in bicep.strings(app["params"]["subnetId"]):
        yield "the app has no subnet"
    if "Microsoft.App/environments" not in all_files[module("network")]:
        yield "the app's subnet is not for Flex Consumption"
    awaited = {"roleAssignments", "storageEndpoint", "databaseEndpoint", "keyVaultEndpoint"}
    if set(app["dependsOn"]) != awaited:
        yield f"the app waits for {app['dependsOn']}"


def wrong_alerts(all_files: Files) -> Iterator[str]:
    """Five rules with the queries of docs/operations.md, which look back as far as their queries, and reach people."""
    queries = re.findall(r"```kusto\n(.*?)```", all_files["docs/operations.md"], re.DOTALL)
    titles = re.findall(r"(?m)^### \d\. (.*)$", all_files["docs/operations.md"])
    template = bicep.parse(all_files[module("alerts")])
    rules = template.section("variables")["rules"]["value"]
    paths = [rule["query"]["function"]["parameters"]["file_path"] for rule in rules]
    files_named = [(PurePosixPath("infra/modules") / path).as_posix().replace("modules/../", "") for path in paths]
    if [all_files.get(path) for path in files_named] != queries or len(queries) != 5:
        yield "the queries are not those of the page"
    if [rule["displayName"].replace("\\'", "'") for rule in rules] != titles:
        yield "the names are not those of the page"
    if extra := {p for p in all_files if p.endswith(".kql")} - set(files_named):
        yield f"nobody asks {sorted(extra)}"
    for rule, path in zip(rules, files_named, strict=True):
        if _hours(rule["window"]) < max(map(int, re.findall(r"ago\((\d+)h\)", all_files.get(path, "ago(0h)")))):
            yield f"{rule['name']}: looks back less far than its query"
        if rule["severity"] not in range(4) or rule["enabled"] not in (True, "watchIngest"):
            yield f"{rule['name']}: severity or switch"
    if [rule["name"] for rule in rules if rule["enabled"] == "watchIngest"] != ["no-ingest"]:
        yield "the alert of a missing ingest is not the one that a switch is for"
    properties = bicep.settled(template.section("resources")["alerts"]["config"])["properties"]
    (criterion,) = properties["criteria"]["allOf"]
    one_row = (criterion["timeAggregation"], criterion["operator"], criterion["threshold"]) == (
        "Count",
        "GreaterThan",
        0,
    )
    if not one_row or properties["evaluationFrequency"] != "PT30M":
        yield "a row does not fire, or not within half an hour"
    if properties["scopes"] != ["applicationInsightsId"] or _at(properties, "enabled") != "rule.enabled":
        yield "of other logs, or always on"
    if [
        ".".join(bicep.strings(list(a["operator"]["operands"].values()))) for a in properties["actions"]["actionGroups"]
    ] != ["people.id"]:
        yield "reaches nobody"


def _hours(duration: str) -> int:
    """PT1H, P2D → hours."""
    found = re.fullmatch(r"P(?:(\d+)D|T(\d+)H)", duration)
    return 0 if found is None else 24 * int(found[1] or 0) + int(found[2] or 0)


DIAGNOSED = {
    "storage": ("blobs", {"StorageDelete"}),
    "database": ("database", {"Blocks", "Deadlocks", "Timeouts"}),
    "key-vault": ("vault", {"AuditEvent"}),
}
"""Of what, and which logs. Not SQL's Errors, nor an audit of its statements: both quote what people's rows hold."""


def wrong_diagnostics(all_files: Files) -> Iterator[str]:
    """The three services tell Log Analytics what they do, and nothing that could quote a person's data."""
    for name, (scope, categories) in DIAGNOSED.items():
        body = bicep.parse(all_files[module(name)]).section("resources")["diagnostics"]["config"]
        logs = body["properties"]["logs"]
        if body["scope"] != scope or body["properties"]["workspaceId"] != "workspaceId":
            yield f"{name}: of or to something else"
        if {log.get("category") for log in logs} != categories or not all(log["enabled"] is True for log in logs):
            yield f"{name}: {logs}"
    for path, template in templates(all_files).items():
        if any("auditing" in r["type"].lower() for r in resources(template).values()):
            yield f"{path}: an audit keeps statements with their values"


# --------------------------------------------------------------------------------------------------------- scripts


def unknown_to_scripts(all_files: Files) -> Iterator[str]:
    """What scripts need of the environment is what the deployment leaves there, or what they say themselves."""
    outputs = set(bicep.parse(all_files[MAIN]).section("outputs"))
    for path, text in all_files.items():
        if path.startswith("infra/scripts/") and path.endswith(".sh"):
            for line in re.findall(r"(?m)^\s*need ([A-Z_ ]+)$", text):
                yield from (f"{path}: {name}" for name in line.split() if name not in outputs)
    read = {
        *re.findall(r"\$\{?([A-Z][A-Z_]+)", "".join(t for p, t in all_files.items() if p.endswith(".sh"))),
        *("AZURE_TENANT_ID", "CONSOLE_ENTERPRISE_APP_ID", "FUNCTION_APP_HOST", "FUNCTION_APP_NAME"),  # for people
    }
    yield from (f"{name}: an output that nobody reads" for name in sorted(outputs - read))


CHECKS = (
    wrong_resources,
    untagged,
    undocumented,
    wrong_names,
    misfits,
    wrong_parameter_file,
    wrong_settings,
    forbidden_settings,
    wrong_defaults,
    wrong_limits,
    wrong_role_assignments,
    open_doors,
    leaks,
    wrong_secret_settings,
    refused_by_lint,
    wrong_graph_roles,
    wrong_sign_in,
    wrong_network,
    wrong_alerts,
    wrong_diagnostics,
    unknown_to_scripts,
)


def problems(check: Any, all_files: Files) -> list[str]:
    """What a check finds wrong."""
    found: Iterable[str] = check(all_files)
    return list(found)

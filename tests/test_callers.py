"""Who may approve: a signed-in Approver in Azure, whoever sits at a laptop, and nobody else."""

import base64
import json
from typing import Any

import pytest

from provisioning import callers
from provisioning.errors import NotAllowed

SITE = "https://bridge.azurewebsites.net/api/holds/x/approve"
LOCAL = "http://localhost:7071/api/holds/x/approve"
IN_AZURE = {"WEBSITE_INSTANCE_ID": "i", "WEBSITE_HOSTNAME": "bridge.azurewebsites.net"}
FLEX = {"WEBSITE_POD_NAME": "p", "LEGION_SERVICE_HOST": "l", "WEBSITE_SKU": "FlexConsumption"}
EASY_AUTH = {**IN_AZURE, "WEBSITE_AUTH_ENABLED": "True"}


def principal(*roles: str, **more: Any) -> dict[str, str]:
    claims = [{"typ": "roles", "val": role} for role in roles]
    claims += [{"typ": "preferred_username", "val": "ada@contoso.example"}]
    document = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles", **more}
    return {"X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(document).encode()).decode()}


def test_a_signed_in_approver_approves_in_her_own_name_whatever_the_request_says() -> None:
    assert callers.approver(principal("Reader", "Approver"), SITE, EASY_AUTH, "Bob") == "ada@contoso.example"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        principal("Reader", "Operator"),
        principal("Approver", claims=[{"typ": "roles", "val": "Approver"}]),
        {"X-MS-CLIENT-PRINCIPAL": "x"},
        {"X-MS-CLIENT-PRINCIPAL": base64.b64encode(b"[]").decode()},
        {"X-MS-CLIENT-PRINCIPAL": base64.b64encode(b'{"claims": [1]}').decode()},
    ],
    ids=["nobody", "another role", "nameless", "no base64", "a list", "odd claims"],
)
def test_nobody_else_does(headers: dict[str, str]) -> None:
    with pytest.raises(NotAllowed):
        callers.approver(headers, SITE, EASY_AUTH)


@pytest.mark.parametrize("environ", [IN_AZURE, {}, {**IN_AZURE, "WEBSITE_AUTH_ENABLED": "False"}])
def test_without_easy_auth_a_principal_is_believed_by_nobody(environ: dict[str, str]) -> None:
    with pytest.raises(NotAllowed, match="Easy Auth"):
        callers.approver(principal("Approver"), SITE, environ)


CONTAINED = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.mark.parametrize(
    ("environ", "may"),
    [
        (CONTAINED, False),
        ({"CONTAINER_APP_NAME": "bridge"}, False),
        ({"AZURE_FUNCTIONS_ENVIRONMENT": "Production"}, False),
        ({**IN_AZURE, "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}, False),
        ({**CONTAINED, "AZURE_FUNCTIONS_ENVIRONMENT": "Development"}, True),
        ({"AZURE_FUNCTIONS_ENVIRONMENT": "development"}, True),
    ],
)
def test_a_host_called_localhost_is_believed_on_ones_own_machine_only(environ: dict[str, str], may: bool) -> None:
    if may:
        assert callers.approver({}, LOCAL, environ, "Ada") == "Ada"
        return
    with pytest.raises(NotAllowed, match="Easy Auth"):
        callers.approver({}, LOCAL, environ, "Ada")


@pytest.mark.parametrize("environ", [IN_AZURE, FLEX, {"WEBSITE_SKU": "Dynamic"}])
def test_in_azure_a_request_that_names_the_loopback_is_no_local_one(environ: dict[str, str]) -> None:
    with pytest.raises(NotAllowed, match="Easy Auth"):
        callers.approver({}, LOCAL, environ)


def test_on_a_laptop_whoever_sits_there_approves() -> None:
    assert callers.approver({}, LOCAL, {}, "Ada") == "Ada"
    assert callers.approver({}, LOCAL, {}) == callers.LOCAL


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
@pytest.mark.parametrize(("url", "environ"), [(LOCAL, {}), (SITE, EASY_AUTH)])
def test_a_form_on_another_site_approves_nothing(headers: dict[str, str], url: str, environ: dict[str, str]) -> None:
    with pytest.raises(NotAllowed, match="another site"):
        callers.approver({**principal("Approver"), **headers}, url, environ)


@pytest.mark.parametrize(
    ("origin", "url", "environ"),
    [
        ("http://localhost:7071", LOCAL, {}),
        ("http://LOCALHOST:7071", LOCAL, {}),
        ("http://localhost:7071", LOCAL, {"WEBSITE_HOSTNAME": "localhost:7072"}),
        ("http://127.0.0.1", "http://127.0.0.1:80/api/x", {}),
        ("http://[::1]:7071", "http://[::1]:7071/api/x", {}),
        ("http://[::1]", "http://[::1]/api/x", {}),
        ("https://bridge.azurewebsites.net", SITE, EASY_AUTH),
        ("https://bridge.azurewebsites.net", SITE.replace("https", "http"), EASY_AUTH),
        ("https://bridge.azurewebsites.net:443", "http://10.0.0.4:8080/api/x", EASY_AUTH),
        ("https://bridge.azurewebsites.net", SITE, {**EASY_AUTH, "WEBSITE_HOSTNAME": "bridge.azurewebsites.net:443"}),
    ],
)
def test_a_page_of_its_own_does(origin: str, url: str, environ: dict[str, str]) -> None:
    headers = {**principal("Approver"), "Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert callers.approver(headers, url, environ, "Ada")


@pytest.mark.parametrize(
    ("origin", "url", "environ"),
    [
        ("http://localhost:8080", LOCAL, {}),
        ("http://localhost", LOCAL, {}),
        ("https://localhost", "http://localhost/api/x", {}),
        ("http://127.0.0.1:7071", LOCAL, {}),
        ("http://[::1]:8080", "http://[::1]:7071/api/x", {}),
        ("http://bridge.azurewebsites.net", SITE, EASY_AUTH),
        ("https://bridge.azurewebsites.net:8443", SITE, EASY_AUTH),
        ("http://localhost:99999", LOCAL, {}),
        ("http://[::1", LOCAL, {}),
        ("localhost:7071", LOCAL, {}),
        ("http://localhost:0", LOCAL, {}),
    ],
)
def test_another_port_is_another_site(origin: str, url: str, environ: dict[str, str]) -> None:
    with pytest.raises(NotAllowed, match="another site"):
        callers.approver({**principal("Approver"), "Origin": origin}, url, environ)


def test_behind_a_domain_of_ones_own_the_browsers_word_counts() -> None:
    headers = {**principal("Approver"), "Origin": "https://people.contoso.example"}
    assert callers.approver({**headers, "Sec-Fetch-Site": "same-origin"}, SITE, EASY_AUTH)
    for word in ({}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}):
        with pytest.raises(NotAllowed, match="another site"):
            callers.approver({**headers, **word}, SITE, EASY_AUTH)


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        ((), ()),
        (("Reader",), ("Reader",)),
        (("Operator",), ("Reader", "Operator")),
        (("Approver",), ("Reader", "Approver")),
        (("Operator", "Approver", "Owner"), ("Reader", "Operator", "Approver")),
    ],
)
def test_whoever_has_a_role_may_read_and_neither_of_the_others_includes_the_other(
    roles: tuple[str, ...], may: tuple[str, ...]
) -> None:
    caller = callers.signed_in(principal(*roles), SITE, EASY_AUTH)
    assert tuple(role for role in callers.ROLES if caller.may(role)) == may


@pytest.mark.parametrize(("name", "kept"), [("ada\n lovelace", "ada lovelace"), ("x" * 300, "x" * 100)])
def test_a_name_is_kept_as_a_trail_can_hold_it(name: str, kept: str) -> None:
    headers = principal(claims=[{"typ": "name", "val": name}, {"typ": "roles", "val": "Reader"}])
    assert callers.reader(headers, SITE, EASY_AUTH) == kept


@pytest.mark.parametrize("environ", [IN_AZURE, {}])
def test_a_name_is_taken_from_a_principal_only_where_people_sign_in(environ: dict[str, str]) -> None:
    assert callers.name_of(principal("Reader"), EASY_AUTH) == "ada@contoso.example"
    assert callers.name_of({}, EASY_AUTH) is None
    assert callers.name_of(principal("Reader"), environ) is None
    assert callers.reader(principal("Reader"), SITE, environ) is None

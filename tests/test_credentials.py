"""Tokens that are asked for, kept and renewed; certificates of the caller: against servers that are strict."""

import ssl
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provisioning import source, transport
from provisioning.errors import UpstreamError
from provisioning.hr import HrApi
from tests.clock import MovedClock
from tests.emulators import people
from tests.emulators.hr import HrEmulator
from tests.emulators.tokens import FORM, Tokens
from tests.test_hr import Answer, api, as_json, server

SECRET = "s3cret:+&=%/ü"
ENVIRON = {"HR_SECRET": SECRET, "HR_ACCOUNT": "A1"}
ENDPOINT = {"path": "api/Employees", "data_selector": "data", "paginator": {"type": "offset", "limit": 4}}


def told(url: str, **auth: Any) -> source.Source:
    found = api(
        url,
        auth={
            "type": "oauth2_client_credentials",
            "access_token_url": f"{url}/oauth/token",
            "client_id": "cliënt:1",
            "client_secret": "$HR_SECRET",
            **auth,
        },
        endpoint=ENDPOINT,
        item_path="api/Employees/{EmployeeId}",
        environ=ENVIRON,
    )
    assert SECRET not in repr(found)
    return found


def hr_with(tokens: Tokens) -> HrEmulator:
    return HrEmulator(people.invent(12, today=datetime(2026, 11, 22, tzinfo=UTC).date()), {"oauth": tokens})


def fetch(found: source.Source, clock: MovedClock | None = None) -> int:
    with HrApi(found, clock or MovedClock()) as opened:
        return sum(len(page) for page in opened.pages(found.resources[0]))


@pytest.mark.parametrize("client_auth", ["form", "basic"])
def test_a_token_is_asked_for_once_and_used_for_every_page(client_auth: str) -> None:
    tokens = Tokens("cliënt:1", SECRET, client_auth=client_auth, scope="people.read all", needs={"account": "A1"})
    data = {"account": "$HR_ACCOUNT"}
    with hr_with(tokens) as hr:
        found = told(hr.url, client_auth=client_auth, scope="people.read all", access_token_request_data=data)
        assert fetch(found) == 12
        assert [seen.path for seen in hr.requests].count("/oauth/token") == len(tokens.given) == 1
        assert [seen.status for seen in hr.requests] == [200] * 4


def test_a_single_record_is_asked_for_with_a_token_too() -> None:
    with hr_with(Tokens("cliënt:1", SECRET)) as hr, HrApi(found := told(hr.url), MovedClock()) as opened:
        assert opened.record(found.resources[0], "E00002") == hr.people[1]


@pytest.mark.parametrize(("life", "asked"), [(90, 3), (40, 3), (100_000, 1)])
def test_a_token_is_renewed_shortly_before_its_end(life: float, asked: int) -> None:
    """A minute before, or half its life: the API never sees one that has ended."""
    clock = MovedClock()
    tokens = Tokens("cliënt:1", SECRET, life=life, clock=clock.monotonic)
    with hr_with(tokens) as hr, HrApi(found := told(hr.url), clock) as opened:
        for _ in opened.pages(found.resources[0]):
            clock.move(seconds=min(life, 90) - 15)
        assert (len(tokens.given), {seen.status for seen in hr.requests}) == (asked, {200})


def test_without_expires_in_a_token_is_good_for_the_default() -> None:
    clock = MovedClock()
    tokens = Tokens("cliënt:1", SECRET, life=1000, clock=clock.monotonic)
    tokens.tells_life = False
    with hr_with(tokens) as hr, HrApi(found := told(hr.url, default_token_expiration=500), clock) as opened:
        for _ in opened.pages(found.resources[0]):
            clock.move(seconds=450)
        assert (len(tokens.given), {seen.status for seen in hr.requests}) == (3, {200})


def test_a_token_that_was_taken_back_is_renewed_once() -> None:
    tokens = Tokens("cliënt:1", SECRET)
    with hr_with(tokens) as hr, HrApi(found := told(hr.url), MovedClock()) as opened:
        for _ in opened.pages(found.resources[0]):
            tokens.revoke()
        assert [seen.status for seen in hr.requests] == [200, 200, 401, 200, 200, 401, 200, 200]
        assert len(tokens.given) == 3


def test_an_api_that_takes_no_token_at_all_is_asked_twice_and_no_more() -> None:
    asked: list[str] = []

    def answer(path: str, _query: Any, _headers: Any) -> Answer:
        asked.append(path)
        return (401, {}, b"") if "token" not in path else as_json({"access_token": f"t{len(asked)}", "expires_in": 60})

    with server(answer, base="") as url:
        with pytest.raises(UpstreamError, match="HR answered 401: check"):
            fetch(told(url))
    assert asked == ["/oauth/token", "/api/Employees"] * 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": "someone"}, "401 .invalid_client."),
        ({"client_secret": "$HR_ACCOUNT"}, "401 .invalid_client."),
        ({"client_auth": "basic"}, "401 .invalid_client."),
        ({"scope": "everything"}, "400 .invalid_scope."),
        ({"access_token_request_data": {"grant_type": "password", "account": "A1"}}, "400 .unsupported_grant_type."),
        ({"access_token_request_data": {}}, "400 .invalid_request."),
        ({"access_token_url": "{url}/oauth/tokens"}, "401: check"),
    ],
)
def test_a_token_that_is_refused_says_why(changes: dict[str, Any], code: str) -> None:
    with hr_with(Tokens("cliënt:1", SECRET, scope="people.read", needs={"account": "A1"})) as hr:
        right: dict[str, Any] = {"scope": "people.read", "access_token_request_data": {"account": "A1"}, **changes}
        if "access_token_url" in right:
            right["access_token_url"] = right["access_token_url"].format(url=hr.url)
        with pytest.raises(UpstreamError, match=f"access_token_url answered {code}") as failed:
            fetch(told(hr.url, **right))
        assert len(hr.requests) == 1
    assert SECRET not in "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (as_json({}), "no access_token that a header can hold"),
        (as_json({"access_token": ""}), "no access_token that a header can hold"),
        (as_json({"access_token": "a\r\nX-Evil: 1"}), "no access_token that a header can hold"),
        (as_json({"access_token": "ü"}), "no access_token that a header can hold"),
        (as_json({"access_token": "t0ken", "token_type": "mac"}), "not of type Bearer"),
        (as_json(["t0ken"]), "no JSON object"),
        ((200, {}, b"<html>"), "is not JSON but a page of HTML"),
        ((302, {"Location": "/elsewhere"}, b""), "302, a redirect, which is not followed"),
        ((400, {}, b'{"error": "<b>t0ken</b>"}'), "answered 400: check"),
    ],
)
def test_an_answer_that_is_no_token_is_refused_without_being_told(answer: Answer, reason: str) -> None:
    asked: list[str] = []
    with server(lambda path, _q, _h: asked.append(path) or answer, base="") as url:  # type: ignore[func-returns-value]
        with pytest.raises(UpstreamError, match=reason) as failed:
            fetch(told(url))
    assert asked == ["/oauth/token"]
    assert "t0ken" not in "".join(traceback.format_exception(failed.value))


def test_a_token_endpoint_that_is_down_for_a_moment_is_asked_again() -> None:
    clock = MovedClock()
    with hr_with(Tokens("cliënt:1", SECRET)) as hr:
        hr.fail_next(503, {"Retry-After": "7"}, when=lambda path: "token" in path)
        assert fetch(told(hr.url), clock) == 12
    assert clock.sleeps == [7]


def test_the_token_endpoint_may_be_another_host_and_the_api_never_sees_the_secret() -> None:
    seen: list[Any] = []
    tokens = Tokens("cliënt:1", SECRET)
    with HrEmulator([], {"oauth": tokens}) as there:
        with server(lambda _p, _q, headers: seen.append(dict(headers)) or as_json({"data": [], "total": 0})) as url:  # type: ignore[func-returns-value]
            fetch(told(url.removesuffix("/"), access_token_url=f"{there.url}/oauth/token"))
    (token,) = tokens.given
    assert [headers["Authorization"] for headers in seen] == [f"Bearer {token}"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("grant_type=client_credentials&client_id=a&client_secret=b", {"Content-Type": FORM}, 200),
        ("grant_type=client_credentials&client_id=a&client_secret=b", {"Content-Type": "application/json"}, 400),
        ("grant_type=password&client_id=a&client_secret=b", {"Content-Type": FORM}, 400),
        ("client_id=a&client_secret=b", {"Content-Type": FORM}, 400),
        ("grant_type=client_credentials&client_id=a&client_secret=c", {"Content-Type": FORM}, 401),
        ("grant_type=client_credentials", {"Content-Type": FORM, "Authorization": "Basic YTpi"}, 401),
        (
            "grant_type=client_credentials&client_id=a&client_secret=b",
            {"Content-Type": FORM, "Authorization": "Basic YTpi"},
            400,
        ),
        (
            "grant_type=client_credentials&client_id=a&client_id=a&client_secret=b",
            {"Content-Type": FORM},
            400,
        ),
    ],
)
def test_the_emulated_token_endpoint_is_as_strict_as_rfc_6749(body: str, headers: dict[str, str], status: int) -> None:
    with HrEmulator([], {"oauth": Tokens("a", "b")}) as hr:
        assert httpx.post(f"{hr.url}/oauth/token", content=body, headers=headers).status_code == status
        assert httpx.get(f"{hr.url}/oauth/token?{body}").status_code == 400


# --- certificates -------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    """A certificate and its key, as PEM."""

    certificate: str
    key: str

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        for kind, pem in zip(("crt", "key"), self, strict=True):
            (folder / f"{name}.{kind}").write_text(pem)
        return str(folder / f"{name}.crt"), str(folder / f"{name}.key")


def pair(name: str, password: bytes | None = None) -> Pair:
    """A certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(names, names, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, how)
    return Pair(certificate.public_bytes(pem).decode(), private.decode())


@pytest.fixture
def caller() -> Pair:
    return pair("caller")


@pytest.fixture
def hr(tmp_path: Path, caller: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[HrEmulator]:
    """An HR API that lets in only who shows the caller's certificate. Its own is trusted for the test."""
    ours = pair("hr").write(tmp_path, "hr")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=caller.certificate)
    trusting = httpx.create_ssl_context

    def trusted(**how: Any) -> ssl.SSLContext:
        found = trusting(**how)
        found.load_verify_locations(ours[0])
        return found

    monkeypatch.setattr(httpx, "create_ssl_context", trusted)
    monkeypatch.setattr(transport, "_trusted", lambda: trusted(trust_env=False))  # read once in a process
    staff = people.invent(3, today=datetime(2026, 11, 22, tzinfo=UTC).date())
    with HrEmulator(staff, {"bearer": "t0ken"}, tls=context) as emulator:
        yield emulator


def certified(url: str, environ: dict[str, str], **certificate: str) -> source.Source:
    auth = {"type": "bearer", "token": "$HR_TOKEN"}
    client = {"client_certificate": certificate} if certificate else {}
    return api(url, auth=auth, client=client, endpoint=ENDPOINT, environ={"HR_TOKEN": "t0ken", **environ})


def test_a_certificate_is_shown_from_files(hr: HrEmulator, caller: Pair, tmp_path: Path) -> None:
    certificate, key = caller.write(tmp_path, "caller")
    assert fetch(certified(hr.url, {}, certificate=certificate, key=key)) == 3


@pytest.mark.parametrize("newline", ["\n", "\\n"], ids=["as it is", "escaped, as portals write it"])
def test_a_certificate_is_shown_from_settings_and_left_in_no_file(
    hr: HrEmulator, caller: Pair, newline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    environ = {"HR_CRT": caller.certificate.replace("\n", newline), "HR_KEY": caller.key.replace("\n", newline)}
    found = certified(hr.url, environ, certificate="$HR_CRT", key="$HR_KEY")
    assert fetch(found) == 3
    assert list(folder.iterdir()) == []
    assert "PRIVATE" not in repr(found)


def test_a_key_may_have_a_password(hr: HrEmulator, tmp_path: Path) -> None:
    """Who has none of the right ones is told by the settings, before anybody is asked."""
    locked = pair("caller", b"pw").write(tmp_path, "locked")
    for environ, password in (({}, {}), ({"HR_PW": "wrong"}, {"password": "$HR_PW"})):
        with pytest.raises(AssertionError, match=r"client\.client_certificate: .* or password is not the key's"):
            certified("https://hr.example", environ, certificate=locked[0], key=locked[1], **password)
    right = {"certificate": locked[0], "key": locked[1], "password": "$HR_PW"}
    assert certified("https://hr.example", {"HR_PW": "pw"}, **right).certificate


def test_without_the_certificate_nobody_is_let_in(hr: HrEmulator, tmp_path: Path) -> None:
    other = pair("somebody").write(tmp_path, "somebody")
    for certificate in ({}, {"certificate": other[0], "key": other[1]}):
        with pytest.raises(UpstreamError, match="Employees: HR: "):
            fetch(certified(hr.url, {}, **certificate))
    assert hr.requests == []

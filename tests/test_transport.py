"""One exchange over real sockets: it ends in time, in size, and says whether the request may have arrived."""

import gzip
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provisioning import transport
from provisioning.errors import TransportError, Unacceptable
from tests.canary import MARKER, Canary


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A socket on loopback that gives one connection to `answer`."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def serve() -> None:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    answer(connection)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    thread.join(5)


def ask(url: str, seconds: float = 5.0) -> transport.Reply:
    with transport.client() as http:
        return transport.exchange(http, http.build_request("GET", url), seconds)


def drip(connection: socket.socket, before: bytes, each: bytes) -> None:
    """For half a minute, if it is let."""
    connection.sendall(before)
    for _ in range(1500):
        connection.sendall(each)
        time.sleep(0.02)


def test_a_complete_answer_is_read_whole() -> None:
    with server(lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as url:
        reply = ask(url)
    assert (reply.status, reply.body) == (200, b"hi")


@pytest.mark.parametrize(
    ("before", "each"),
    [(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"), (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x")],
    ids=["headers", "body"],
)
def test_a_drip_ends_with_the_attempt(before: bytes, each: bytes) -> None:
    dried_up = threading.Event()

    def answer(connection: socket.socket) -> None:
        drip(connection, before, each)
        dried_up.set()

    with server(answer) as url, pytest.raises(TransportError) as failed:
        ask(url, seconds=0.2)
    assert failed.value.ambiguous
    assert not dried_up.is_set()


def test_a_server_that_takes_a_request_in_sips_does_not_hold_the_attempt() -> None:
    """Each sip makes room for a little more; the whole of it takes many seconds."""

    sips: list[int] = []

    def sip(connection: socket.socket) -> None:
        while taken := len(connection.recv(1024 * 1024)):
            sips.append(taken)
            time.sleep(0.1)

    whole = bytes(64 * 1024 * 1024)
    with server(sip) as url, transport.client() as http:
        request = http.build_request("POST", url, content=whole)
        with pytest.raises(TransportError) as failed:
            transport.exchange(http, request, seconds=0.5)
        assert 0 < sum(sips) < len(whole) / 2
    assert failed.value.ambiguous


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Len",
    "a short body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
    "no body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nhi",
    "no last chunk": CHUNKED + b"2\r\nhi\r\n",
    "half a chunk": CHUNKED + b"9\r\nhi",
    "half an end": CHUNKED + b"2\r\nhi\r\n0\r\n",
    "a chunk without a size": CHUNKED + b"x\r\nhi\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_connection_may_have_carried_the_request(answer: bytes) -> None:
    with server(lambda c: c.sendall(answer)) as url, pytest.raises(TransportError) as failed:
        ask(url)
    assert failed.value.ambiguous


def test_without_a_connection_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(TransportError) as failed:
        ask(f"http://127.0.0.1:{port}/")
    assert not failed.value.ambiguous


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: shake_hands(context, listening), daemon=True)
        thread.start()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "self-signed.pem"))  # nobody there is asked either
        with pytest.raises(Unacceptable, match="its certificate is not trusted") as failed:
            ask(f"https://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join(5)
    assert not failed.value.ambiguous


def shake_hands(context: ssl.SSLContext, listening: socket.socket) -> None:
    with suppress(OSError):
        context.wrap_socket(listening.accept()[0], server_side=True).close()


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "self-signed.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem))
    return path


def test_a_small_body_that_decodes_to_a_huge_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 1_000_000)
    bomb = gzip.compress(b"0" * 5_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with server(lambda c: c.sendall(head + bomb)) as url, pytest.raises(TransportError, match="larger than"):
        ask(url)


@pytest.mark.parametrize("place", ["http://127.0.0.2:1/", "mailto:a", "http://xn--a/", "http://[::", "//", "\x01", ""])
def test_a_redirect_is_an_answer_like_any_other_wherever_it_leads(place: str) -> None:
    answer = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
    with server(lambda c: c.sendall(answer)) as url:
        assert ask(url).status == 302


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with server(lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as url:
        assert ask(url).status == 200


def test_a_password_in_a_netrc_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login somebody password s3cret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert b"authorization" not in what_is_asked().lower()


def test_only_codings_that_are_decoded_here_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpx._client.ACCEPT_ENCODING", "gzip, br, zstd")  # as where those packages are installed
    assert b"\r\nAccept-Encoding: gzip, deflate\r\n" in what_is_asked()


def what_is_asked() -> bytes:
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                seen.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        ask(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join(5)
    return seen[0]


@pytest.mark.parametrize("kept", [3, 12, -9, -8, -4, -1])
def test_a_gzip_that_ends_too_early_may_come_whole_the_next_time(kept: int) -> None:
    body = gzip.compress(b"[" + b"1," * 500 + b"1]")[:kept]
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with server(lambda c: c.sendall(head + body)) as url, pytest.raises(TransportError, match="ends before") as failed:
        ask(url)
    assert failed.value.ambiguous
    assert not isinstance(failed.value, Unacceptable)


def test_what_would_be_no_better_a_second_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 1_000)
    for answer in (b"Content-Length: 1001\r\n\r\n" + b"x" * 1001, b"Content-Encoding: br\r\nContent-Length: 0\r\n\r\n"):
        with server(lambda c, a=answer: c.sendall(b"HTTP/1.1 200 OK\r\n" + a)) as url, pytest.raises(Unacceptable):  # type: ignore[misc]
            ask(url)


# --- names and addresses ------------------------------------------------------------------------------------------


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str, wait: Callable[[], object] = lambda: None) -> None:
    """What the system's look-up answers from now on for a name, after a wait; an address stays itself."""
    ask_system = socket.getaddrinfo

    def answer(host: str, port: int, *rest: Any, **named: Any) -> list[Any]:
        if host != "hr.example":
            return ask_system(host, port, *rest, **named)
        wait()
        return [found for address in addresses for found in ask_system(address, port, *rest, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.mark.parametrize(
    "addresses",
    [["169.254.169.254"], ["127.0.0.1", "169.254.169.254"], ["::ffff:169.254.169.254"], ["fe80::1"], ["168.63.129.16"]],
    ids=" ".join,
)
def test_a_name_that_stands_for_a_link_local_address_is_never_asked(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolve(monkeypatch, *addresses)
    monkeypatch.setattr(socket, "create_connection", None)  # to be called it must not even come
    with pytest.raises(Unacceptable, match="a link-local address, which is not asked") as failed:
        ask("https://hr.example/")
    assert not failed.value.ambiguous


@pytest.mark.parametrize("spelled", ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "[fe80::1]"])
def test_a_link_local_address_is_never_asked_however_it_is_spelled(
    monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    monkeypatch.setattr(socket, "create_connection", None)
    with pytest.raises(Unacceptable, match="a link-local address, which is not asked"):
        ask(f"https://{spelled}/")


def test_where_one_address_of_a_name_does_not_answer_the_next_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, "::1", "127.0.0.1")  # the server listens at 127.0.0.1 only
    with server(lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as url:
        assert ask(url.replace("127.0.0.1", "hr.example")).status == 200


def test_a_name_that_is_not_resolved_in_time_ends_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's look-up takes no limit: with a dead name server it takes half a minute and more."""
    given_up, looked_up = threading.Event(), list[bool]()
    resolve(monkeypatch, "127.0.0.1", wait=lambda: looked_up.append(given_up.wait(30)))
    with pytest.raises(TransportError, match="could not connect") as failed:
        ask("https://hr.example/", seconds=0.2)
    assert not failed.value.ambiguous
    assert looked_up == []
    given_up.set()


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_cannot_be_resolved_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(TransportError, match="its name could not be resolved") as failed:
        ask("https://hr.example/")
    assert not failed.value.ambiguous


# --- what is told -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        f"HTTP/1.1 200 OK\r\n{MARKER} {MARKER}\r\n\r\n",
        f"{MARKER}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Length: {MARKER}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{MARKER}\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n{MARKER}...",
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {MARKER}\r\nContent-Length: 0\r\n\r\n",
        f"HTTP/1.1 302 Found\r\nLocation: http://{MARKER}:{MARKER}/\r\n\r\n",
    ],
)
def test_neither_an_address_nor_what_came_is_logged_or_raised(canary: Canary, answer: str) -> None:
    """Libraries quote both: httpx logs every URL, and its errors repeat a header that came or was sent."""
    with server(lambda c: c.sendall(answer.encode())) as url, suppress(TransportError):
        ask(f"{url}{MARKER}?key={MARKER}")
    with suppress(TransportError):
        ask(f"http://127.0.0.1:1/{MARKER}")
    assert canary.errors


def test_a_secret_that_no_header_can_hold_is_not_raised() -> None:
    headers = {"X-Key": "s3cret\n"}
    with server(lambda _: None) as url, transport.client() as http, pytest.raises(TransportError) as failed:
        transport.exchange(http, http.build_request("GET", url, headers=headers))
    assert "LocalProtocolError" in str(failed.value)
    assert "s3cret" not in "".join(traceback.format_exception(failed.value))

"""One exchange over real sockets: it ends in time, in size, and says whether the request may have arrived."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from provisioning import transport
from provisioning.errors import TransportError


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
    connection.sendall(before)
    for _ in range(200):
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
    began = time.monotonic()
    with server(lambda c: drip(c, before, each)) as url, pytest.raises(TransportError) as failed:
        ask(url, seconds=0.2)
    assert failed.value.ambiguous
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"], ids=["nothing", "half"])
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


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: shake_hands(context, listening), daemon=True)
        thread.start()
        with pytest.raises(TransportError, match="could not connect") as failed:
            ask(f"https://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join(5)
    assert "CERTIFICATE_VERIFY_FAILED" in str(failed.value.__cause__)


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


def test_a_redirect_is_an_answer_like_any_other() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/\r\nContent-Length: 0\r\n\r\n"
    with server(lambda c: c.sendall(answer)) as url:
        assert ask(url).status == 302


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with server(lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as url:
        assert ask(url).status == 200


@pytest.mark.parametrize("text", [b"NaN", b'{"a": Infinity}', b"<html>", b""])
def test_what_is_not_json_is_not_taken_for_it(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own, of several kinds
        transport.Reply(200, {}, text).json()


def test_decimals_stay_exact() -> None:
    assert str(transport.Reply(200, {}, b"0.10").json()) == "0.10"

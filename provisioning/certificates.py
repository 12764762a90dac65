"""The certificate by which the HR API knows the caller (mutual TLS), from files or from PEM in settings."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A certificate (with what stands between it and its root) and its key: each the path of a PEM file, or PEM."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)
    password: str | None = field(default=None, repr=False)


def wrong_with(certificate: Certificate) -> str | None:
    """Why it cannot be used; None where it can."""
    try:
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)
    except ssl.SSLError:
        return "certificate and key do not fit together, are not PEM, or password is not the key's."
    except (OSError, ValueError):
        return "certificate and key must be readable PEM files, or settings that hold PEM."
    return None


def load(context: ssl.SSLContext, certificate: Certificate) -> None:
    """Let a connection show this certificate. Raises OSError (ssl.SSLError is one) or ValueError where it is unfit."""
    with _file(certificate.certificate) as shown, _file(certificate.key) as key:
        context.load_cert_chain(shown, key, lambda: certificate.password or "")  # no password: never ask a terminal


@contextmanager
def _file(told: str) -> Iterator[str]:
    """The file itself, or one that holds the PEM for as long as it takes: OpenSSL reads files only."""
    if "-----BEGIN" not in told:
        yield told
        return
    handle, path = tempfile.mkstemp(suffix=".pem")  # mode 600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(told.replace("\\n", "\n"))
        yield path
    finally:
        Path(path).unlink()

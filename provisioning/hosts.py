"""Hosts that are special: this very machine, and addresses where a cloud gives its secrets away."""

import ipaddress
import re
import socket

LOOPBACK = ("localhost", "127.0.0.1", "::1")

WIRE_SERVER = ipaddress.IPv4Address("168.63.129.16")
"""Azure's own: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16"""

_EMBEDDING = [ipaddress.IPv6Network(text) for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96")]
"""IPv6 that means an IPv4 address: mapped and compatible (RFC 4291 §2.5.5), translated (RFC 6052)."""

_NUMBERS = re.compile(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+)){0,3}", re.IGNORECASE | re.ASCII)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_loopback(host: str | None) -> bool:
    """Whether a host is this very machine."""
    return (host or "") in LOOPBACK


def is_link_local(host: str) -> bool:
    """Whether a host is an address that no HR system has: 169.254.0.0/16, fe80::/10 or Azure's wire server.

    A cloud's metadata, credentials among them, is to be had there. However it is spelled: 0xa9fea9fe is one, too.
    Of a name nothing can be said before it is resolved.
    """
    address = _address(host.strip("[]").rstrip("."))
    return address is not None and (address.is_link_local or address == WIRE_SERVER)


def _address(text: str) -> _Address | None:
    try:
        address: _Address = ipaddress.ip_address(text)
    except ValueError:
        return _numeric(text)
    if isinstance(address, ipaddress.IPv6Address):
        return address.sixtofour or _embedded(address)
    return address


def _embedded(address: ipaddress.IPv6Address) -> _Address:
    if any(ipaddress.IPv6Address(int(address)) in network for network in _EMBEDDING):  # without its zone
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _numeric(text: str) -> ipaddress.IPv4Address | None:
    """Decimal, hexadecimal, octal and short spellings, which name resolution takes for addresses."""
    if not _NUMBERS.fullmatch(text):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return None

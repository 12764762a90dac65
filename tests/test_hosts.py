"""Special hosts, however they are spelled."""

import pytest

from provisioning import hosts


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.0.1",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "[::ffff:169.254.169.254]",
        "::ffff:a9fe:a9fe",
        "::ffff:169.254.169.254%1",
        "::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fe80::1",
        "[FE80::1]",
        "fe80::1%eth0",
        "febf::1",
        "168.63.129.16",
        "::ffff:168.63.129.16",
    ],
)
def test_where_a_cloud_gives_its_secrets_away_is_link_local(host: str) -> None:
    assert hosts.is_link_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "hr.example",
        "localhost",
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "2001:db8::1",
        "fec0::1",
        "169.253.255.255",
        "",
        "fe80",
        "a9fea9fe",
        "0xzz",
        "99999999999999",
        "1.2.3.4.5",
        "169.254.example",
        "64:ff9b::808:808",
    ],
)
def test_other_hosts_are_not(host: str) -> None:
    assert not hosts.is_link_local(host)

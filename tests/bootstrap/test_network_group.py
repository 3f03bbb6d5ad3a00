"""Which hosts count as being in one place."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.network_group import NETWORK_BITS, client_of, group_of, is_private


@pytest.mark.parametrize(
    ("host", "group"),
    [
        ("192.0.2.7", "192.0"),
        ("172.32.0.1", "172.32"),
        ("2001:db8::1", "2001:db8"),
        ("2001:0db8:1:2:3:4:5:6", "2001:db8"),
        ("::ffff:192.0.2.7", "192.0"),
        ("10.1.2.3", "10.1.2.3"),
        ("172.16.0.1", "172.16.0.1"),
        ("192.168.1.2", "192.168.1.2"),
        ("169.254.1.2", "169.254.1.2"),
        ("100.64.0.9", "100.64.0.9"),
        ("100.127.0.9", "100.127.0.9"),
        ("100.128.0.9", "100.128"),
        ("fd00::7", "fd00::7"),
        ("fe80::7", "fe80::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("2001:db8:1::7%eth0", "2001:db8"),
        ("127.0.0.1", "127.0.0.1:9"),
        ("::1", "::1:9"),
        ("a.Boot.example.ORG.", "names"),
        ("localhost", "names"),
    ],
)
def test_group_of__is_a_prefix_of_public_hosts_and_the_host_itself_of_private_ones(
    host: str, group: str
) -> None:
    assert group_of(host, 9) == group


@given(st.ip_addresses())
def test_group_of__has_no_port_off_loopback(ip: object) -> None:
    host = str(ip)

    is_loopback = getattr(ip, "is_loopback", False) or host.startswith("::ffff:7f")

    assert (group_of(host, 1) == group_of(host, 2)) == (not is_loopback)
    if not is_loopback:
        assert (group_of(host) == host) <= (is_private(host) or ":" not in host)


@given(st.text(max_size=40))
def test_group_of__takes_anything(text: str) -> None:
    assert isinstance(group_of(text), str)
    assert isinstance(is_private(text), bool)


@given(st.ip_addresses(v=4))
def test_client_of__is_each_address_of_ipv4(address: ipaddress.IPv4Address) -> None:
    assert client_of(str(address)) == str(address) == client_of(f"::ffff:{address}")


@given(st.ip_addresses(v=6), st.integers(0, 2**NETWORK_BITS - 1))
def test_client_of__is_the_network_of_ipv6(address: ipaddress.IPv6Address, low: int) -> None:
    neighbour = ipaddress.IPv6Address(int(address) >> NETWORK_BITS << NETWORK_BITS | low)
    if address.ipv4_mapped is None and neighbour.ipv4_mapped is None:
        assert client_of(str(address)) == client_of(str(neighbour))
        beyond = ipaddress.IPv6Address(int(address) ^ 1 << NETWORK_BITS)
        assert client_of(str(address)) != client_of(str(beyond))

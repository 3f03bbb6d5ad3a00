"""Nobody far away has us dial our own machine or our own network."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.reachable import is_within_reach

INNER = ["127.0.0.1", "10.1.2.3", "172.16.0.9", "192.168.1.1", "169.254.7.7", "100.64.0.1", "::1"]
INNER += ["fe80::1", "fd00::7", "::ffff:127.0.0.1", "::ffff:192.168.1.1"]
NOBODYS = ["0.0.0.0", "0.1.2.3", "224.0.0.251", "255.255.255.255", "240.0.0.1", "::", "ff02::1"]  # noqa: S104
NOBODYS += ["::ffff:224.0.0.1", "::ffff:0.0.0.0"]


@pytest.mark.parametrize("host", INNER)
def test_inner_address__is_not_dialled_for_whoever_has_public_peers_alone(host: str) -> None:
    assert not is_within_reach(host, [])
    assert not is_within_reach(host, ["93.184.216.34", "boot.example.org", "2606:2800::1"])


def test_inner_address__is_dialled_by_a_neighbour_of_its_kind() -> None:
    assert is_within_reach("10.1.2.3", ["93.184.216.34", "192.168.0.4"])
    assert is_within_reach("127.0.0.1", ["127.0.0.1"])
    assert is_within_reach("192.168.0.5", ["::ffff:192.168.0.4"])
    assert is_within_reach("127.0.0.1", ["::ffff:127.0.0.1"])
    assert not is_within_reach("127.0.0.1", ["192.168.0.4"])


@pytest.mark.parametrize("host", NOBODYS)
def test_address_that_is_nobodys__is_never_dialled(host: str) -> None:
    assert not is_within_reach(host, ["127.0.0.1", "10.0.0.1"])


@given(st.ip_addresses(), st.lists(st.sampled_from(["8.8.8.8", "10.0.0.1", "127.0.0.1", "a.b"])))
def test_public_address__is_dialled_whoever_is_near(ip: object, neighbours: list[str]) -> None:
    plain = ip_address(str(ip))
    plain = getattr(plain, "ipv4_mapped", None) or plain
    if plain.is_global and not plain.is_multicast:
        assert is_within_reach(str(ip), neighbours)

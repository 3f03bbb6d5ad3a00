"""Nobody far away has us dial our own machine or our own network."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.addresses import CIRCUIT
from bootstrap.network_group import host_at, is_private
from bootstrap.reachable import by_turns, is_within_reach

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


PUBLIC = [f"/ip4/203.0.113.{n}/tcp/1" for n in range(5)] + ["/dns4/a.example/tcp/1"]
PRIVATE = [f"/ip4/172.{n}.0.1/tcp/1" for n in range(16, 22)]
CIRCUITS = [f"{PUBLIC[n]}/p2p/R{n}/p2p-circuit" for n in range(5)]


@given(st.lists(st.sampled_from([*PUBLIC, *PRIVATE, *CIRCUITS])), st.booleans())
def test_by_turns__has_every_kind_among_the_first_and_keeps_its_order(
    addresses: list[str], is_near: bool
) -> None:
    ordered = by_turns(addresses, is_near=is_near)

    def kind_of(text: str) -> str:
        return "circuit" if CIRCUIT in text else str(is_private(host_at(text)))

    kinds = {kind_of(text) for text in addresses} - ({"circuit"} if is_near else set())
    assert sorted(ordered) == sorted(set(addresses))
    assert kinds <= {kind_of(text) for text in ordered[:3]}
    for kind in (*kinds, "circuit"):
        mine = [text for text in ordered if kind_of(text) == kind]
        assert mine == [text for text in dict.fromkeys(addresses) if kind_of(text) == kind]


def test_by_turns__begins_with_what_is_nearest_for_the_same_local_network() -> None:
    said = [CIRCUITS[0], *PUBLIC[:2], *PRIVATE[:2]]

    assert by_turns(said) == [PUBLIC[0], CIRCUITS[0], PRIVATE[0], PUBLIC[1], PRIVATE[1]]
    assert by_turns(said, is_near=True) == [
        PRIVATE[0],
        PUBLIC[0],
        PRIVATE[1],
        PUBLIC[1],
        CIRCUITS[0],
    ]

"""Which addresses that a stranger names are worth a dial from here.

Whoever can have us dial any host has us look at our own machine and our own network for him.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import chain, zip_longest

from bootstrap.addresses import CIRCUIT
from bootstrap.network_group import host_at, is_private


def is_within_reach(host: str, neighbours: Iterable[str]) -> bool:
    """Return whether a host that somebody names may be dialled.

    One in a private network, only if we have a neighbour in one; one on loopback, only if we have a
    neighbour there. What no machine can have as its own address, never.

    Args:
        host: An IP address or a DNS name.
        neighbours: The hosts of those we are connected to, IP addresses or names.
    """
    ip = _plain(host)
    if ip is None:
        return True  # a name: what it stands for is found out when it is dialled
    if ip.is_multicast or ip.is_unspecified or (ip.version == 4 and int(ip) >> 24 in _NOBODYS):
        return False
    if ip.is_loopback:
        return any(one.is_loopback for one in map(_plain, neighbours) if one is not None)
    if is_private(str(ip)):
        return any(map(_is_inner, neighbours))
    return True


def by_turns(addresses: Iterable[str], *, is_near: bool = False) -> list[str]:
    """Order the addresses of one node so that by the first few it is reached from anywhere.

    Public ones, those behind a relay and private ones take turns, each kind in the order it has:
    the bridges of a machine with containers leave room for where it can be dialled.

    Args:
        addresses: Multiaddrs.
        is_near: Whether they are for the same local network: then a private one comes first, and
            those behind a relay after all others.
    """
    public: list[str] = []
    private: list[str] = []
    circuits: list[str] = []
    for text in dict.fromkeys(addresses):
        if CIRCUIT in text:
            circuits.append(text)
        else:
            (private if is_private(host_at(text)) else public).append(text)
    turns = (private, public) if is_near else (public, circuits, private)
    taken = [text for text in chain(*zip_longest(*turns)) if text is not None]
    return [*taken, *circuits] if is_near else taken


_CACHED_MAX = 4_096
_NOBODYS = (0, *range(240, 256))  # "this network" and reserved addresses, RFC 1122 and RFC 1112


@lru_cache(maxsize=_CACHED_MAX)
def _plain(host: str) -> IPv4Address | IPv6Address | None:
    """Return an IP address, IPv4 within IPv6 as IPv4; None of a name."""
    try:
        ip = ip_address(host)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


@lru_cache(maxsize=_CACHED_MAX)  # asked of every neighbour for every address somebody names
def _is_inner(host: str) -> bool:
    return is_private(str(_plain(host)))

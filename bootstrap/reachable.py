"""Which addresses that a stranger names are worth a dial from here.

Whoever can have us dial any host has us look at our own machine and our own network for him.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from bootstrap.network_group import is_private


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
        return any(is_private(str(_plain(neighbour))) for neighbour in neighbours)
    return True


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

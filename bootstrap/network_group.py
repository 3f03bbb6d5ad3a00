"""Which part of the internet a host is in: what one attacker has many of in one place.

Whoever rents a thousand addresses mostly has them in a few /16 of IPv4 or /32 of IPv6. Within a
private network there is nothing to tell apart so: there, each host is a group of its own. Names are
one group all together: whoever has one has any number of them, and they lead wherever he says. So
are circuits: one machine can have places at many relays, and none of them says where it is itself.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from bootstrap.addresses import CIRCUIT

NAMES = "names"  # the group of every name
CIRCUITS = "circuits"  # the group of whoever is behind a relay
NETWORK_BITS = 64  # of an IPv6 address: whoever has one address has them all
_CACHED_MAX = 4_096
_SHARED = ("100.64.", *(f"100.{n}." for n in range(65, 128)))  # carrier NAT, RFC 6598


@lru_cache(maxsize=_CACHED_MAX)
def group_of(host: str, port: int = 0) -> str:
    """Return the group of an IP address or a name.

    Args:
        host: An IP address or a DNS name.
        port: Tells apart the nodes of one machine on loopback, and nothing else.

    >>> group_of("192.0.2.7"), group_of("2001:db8:1::7"), group_of("boot.example.org")
    ('192.0', '2001:db8', 'names')
    """
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return NAMES
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return f"{ip}:{port}"
    if is_private(str(ip)):
        return str(ip)
    if isinstance(ip, IPv4Address):
        return ".".join(str(ip).split(".")[:2])
    return ":".join(part.lstrip("0") or "0" for part in ip.exploded.split(":")[:2])


def client_of(host: str) -> str:
    """Return who stands behind an IP address: the address, or its network where it is IPv6.

    >>> client_of("192.0.2.7"), client_of("2001:db8:1:2:3::7")
    ('192.0.2.7', '2001:db8:1:2::/64')
    """
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(ip, IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip_network((int(ip), NETWORK_BITS), strict=False))


def group_at(address: str) -> str:
    """Return the group of a connection's address, a multiaddr that may lack its end."""
    parts = address.split("/")
    port = int(parts[4]) if len(parts) > 4 and parts[4].isdecimal() else 0
    return group_of(parts[2], port) if len(parts) > 2 else ""


def groups_at(address: str) -> tuple[str, ...]:
    """Return every group a connection's address counts in, that of its own end first.

    >>> groups_at("/ip4/192.0.2.7/tcp/1"), groups_at("/ip4/192.0.2.7/tcp/1/p2p/R/p2p-circuit")
    (('192.0',), ('circuits', '192.0'))
    """
    return (CIRCUITS, group_at(address)) if CIRCUIT in address else (group_at(address),)


def host_at(address: str) -> str:
    """Return the host of a connection's address; empty if it names none."""
    parts = address.split("/")
    return parts[2] if len(parts) > 2 else ""


@lru_cache(maxsize=_CACHED_MAX)
def is_private(host: str) -> bool:
    """Return whether a host can only be dialled from within its own network or machine."""
    try:
        ip = ip_address(host)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        first = int(ip) >> 24
        return (
            first in (10, 127)
            or int(ip) >> 20 == 0xAC1
            or int(ip) >> 16 in (0xC0A8, 0xA9FE)
            or str(ip).startswith(_SHARED)
        )
    return ip.is_loopback or ip.is_link_local or int(ip) >> 121 == 0x7E

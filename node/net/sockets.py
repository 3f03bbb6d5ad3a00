"""Connections seen from below: addresses of this machine, and the socket under a connection."""

import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import trio
from libp2p.abc import INetConn
from libp2p.utils.address_validation import expand_wildcard_address
from multiaddr import Multiaddr

from bootstrap.network_group import is_private
from node.errors import StartError
from node.net.circuit import CircuitEnd

# From a swarm connection down to the TCP stream: the layers and the attribute that names the next.
_LAYERS = ("muxed_conn", "secured_conn", "conn", "read_writer", "read_write_closer", "stream")
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - recognised, never bound here
# Hosts out there, to ask the kernel for the way: RFC 5737 and RFC 3849 keep them for documents.
_FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def read_multiaddr(address: str) -> Multiaddr:
    """Return an address of our own configuration.

    Raises:
        StartError: It is not a multiaddr.
    """
    try:
        return Multiaddr(address)
    except ValueError as error:
        raise StartError(f"not a multiaddr: {address!r}: {error}") from error


def is_dialled(conn: Any) -> bool:
    """Return whether we opened the connection."""
    return bool(conn.direction.name == "OUTBOUND")


def check_free(address: Multiaddr) -> None:
    """Make sure that nobody listens at a TCP address.

    libp2p shares its ports: a second node on the same one would start, and the kernel would deal
    connections between the two at random.

    Raises:
        StartError: The port is taken, the address is not of this machine, or not of TCP over IP.
    """
    family, host, port = _tcp_endpoint(address)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StartError(f"P2P port taken or unusable: {address}: {reason}") from error


def dialable(listening: Sequence[Multiaddr]) -> list[Multiaddr]:
    """Return the addresses others can dial: a wildcard becomes this machine's interfaces.

    Loopback is named only where nothing else is; the order is that of `widest_first`.
    """
    found: list[Multiaddr] = []
    for address in listening:
        host = _tcp_endpoint(address)[1]
        if host not in WILDCARDS:
            found.append(address)
            continue
        interfaces = [
            each for each in expand_wildcard_address(address) if _host(each) not in WILDCARDS
        ]
        public = [each for each in interfaces if not _is_local(_host(each))]
        found.extend(public or interfaces)
    return widest_first(list(dict.fromkeys(found)), facing_hosts())


def widest_first(addresses: Sequence[Multiaddr], facing: Collection[str]) -> list[Multiaddr]:
    """Order addresses by how many may dial them, else as they were.

    Public ones come first, then those by which this machine faces the internet, and last those of
    bridges and the like: many who are told of us take only the first few.

    Args:
        addresses: Of TCP over IP.
        facing: The hosts by which this machine faces the internet.
    """
    return sorted(addresses, key=lambda one: (is_private(_host(one)), _host(one) not in facing))


def facing_hosts() -> set[str]:
    """Return this machine's addresses towards the internet, as it routes now; nothing is sent."""
    found: set[str] = set()
    for family, far in _FAR:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            found.add(str(probe.getsockname()[0]))
    return found


def find_socket(conn: INetConn) -> trio.SocketStream | None:
    """Return the TCP stream under a connection; None for a circuit, or one taken apart."""
    layer = _bottom(conn)
    while layer is not None and not isinstance(layer, trio.SocketStream):
        layer = getattr(layer, "stream", None)
    return layer


async def abort(conn: INetConn) -> None:
    """End a connection now, whatever still waits to be written to it.

    Closing it politely first waits for a frame to be written, for ever if the peer stopped reading.
    With the socket gone, the library notices and takes the rest apart.
    """
    circuit = _bottom(conn)
    if isinstance(circuit, CircuitEnd):
        await circuit.close()
        return
    stream = find_socket(conn)
    if stream is not None:
        await trio.aclose_forcefully(stream)
        return
    with trio.move_on_after(1):
        await conn.close()


def remote_ip(read_write_closer: Any) -> str:
    """Return the other end's IP address, or an empty string once it is unknown."""
    try:
        return str(read_write_closer.stream.socket.getpeername()[0])
    except (AttributeError, OSError):
        return ""


def _bottom(conn: INetConn) -> Any:
    layer: Any = conn
    for name in _LAYERS:
        layer = getattr(layer, name, None)
    return layer


def _host(address: Multiaddr) -> str:
    return _tcp_endpoint(address)[1]


def _is_local(host: str) -> bool:
    return host.startswith(("127.", "fe80:")) or host == "::1"


def _tcp_endpoint(address: Multiaddr) -> tuple[socket.AddressFamily, str, int]:
    names = [protocol.name for protocol in address.protocols()]
    if names[:2] == ["ip4", "tcp"]:
        family = socket.AF_INET
    elif names[:2] == ["ip6", "tcp"]:
        family = socket.AF_INET6
    else:
        raise StartError(f"cannot listen on {address}: write it as /ip4/ADDRESS/tcp/PORT")
    return (
        family,
        str(address.value_for_protocol(names[0])),
        int(str(address.value_for_protocol("tcp"))),
    )

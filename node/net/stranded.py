"""Cuts connections whose own end is at an address that this machine no longer has.

Nothing comes through them any more, and nobody is told: the other end would be found dead by two
probes that are not answered. Cut, its peer is dialled again at once from where we are now.
"""

import errno
import logging
import socket
from collections.abc import Callable
from typing import Any

import trio
from libp2p.abc import INetConn

from node.net.counters import Counters
from node.net.sockets import abort, find_socket

logger = logging.getLogger(__name__)

LOOK_S = 2.0  # an address that is gone for two looks is not one that is being renewed


def is_ours(host: str) -> bool:
    """Answer whether this machine has an IP address now; a scope may stand behind `%`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address, _, scope = host.partition("%")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if family == socket.AF_INET:
                probe.bind((address, 0))
            else:
                probe.bind((address, 0, 0, int(scope or 0)))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV)
    return True


def own_host(conn: INetConn) -> str | None:
    """Return the IP address of our end of a connection; None if it has none of its own."""
    stream = find_socket(conn)
    if stream is None:
        return None
    try:
        name = stream.socket.getsockname()
    except OSError:  # closed meanwhile
        return None
    scope = name[3] if len(name) == 4 else 0
    return f"{name[0].partition('%')[0]}%{scope}" if scope else str(name[0])


class Stranded:
    """Looks every LOOK_S seconds, and cuts what two looks in a row found stranded."""

    def __init__(
        self, *, swarm: Any, counters: Counters, is_ours: Callable[[str], bool] = is_ours
    ) -> None:
        self._swarm = swarm
        self._counters = counters
        self._is_ours = is_ours
        self._gone: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await trio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Look once."""
        hosts = [(conn, own_host(conn)) for conn in self._swarm.get_connections()]
        known = {host for _, host in hosts if host is not None}
        gone = frozenset(host for host in known if not self._is_ours(host))
        for conn, host in hosts:
            if host in gone & self._gone:
                self._counters.add("connections_stranded")
                peer_id = conn.muxed_conn.peer_id
                logger.info("cut off: %s is not ours any more", host, extra={"peer": str(peer_id)})
                await abort(conn)
        self._gone = gone

"""From a full multiaddr to an authenticated connection, one address at a time.

The library's own dialling tries one address of a peer, blocks the peer for a minute after a
failure, and does not resolve names dependably; only its innermost step is used.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import trio
from libp2p.peer.id import ID
from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
from libp2p.transport.tcp.tcp import TCP
from multiaddr import Multiaddr
from multiaddr.exceptions import Error as MultiaddrError

from bootstrap.dialing import Allows, anywhere
from node.errors import DialFailed, NoRoom, NotTried, WrongPeer
from node.net.counters import Counters
from node.net.identity import public_key_of, read_peer_id
from node.net.limits import NetLimits
from node.net.scopes import shielded

logger = logging.getLogger(__name__)

FAMILIES = {
    "dns": trio.socket.AF_UNSPEC,
    "dns4": trio.socket.AF_INET,
    "dns6": trio.socket.AF_INET6,
}
RESOLVED_MAX = 4  # addresses of one name that are tried
_FULL = "Maximum connections limit reached"  # how the library says it
_FOUND_ID = re.compile(r"remote_peer_id_from_pubkey=(\w+)")  # in the message of a mismatch


class Dialer:
    """Dials addresses; a peer that is connected already is not dialled again."""

    def __init__(
        self,
        *,
        swarm: Any,
        own_id: ID,
        is_banned: Callable[[ID], bool],
        limits: NetLimits,
        counters: Counters,
    ) -> None:
        self._swarm = swarm
        self._own_id = own_id
        self._is_banned = is_banned
        self._limits = limits
        self._counters = counters
        self._locks: defaultdict[ID, trio.Lock] = defaultdict(trio.Lock)

    async def dial(self, address: str, *, allows: Allows = anywhere) -> ID:
        """Connect to the peer at a full multiaddr.

        Args:
            address: Where.
            allows: Asked about every IP address that a name in it stands for.

        Raises:
            NotTried: The peer was connected before the address was tried.
            NoRoom: We hold as many connections as we may.
            WrongPeer: Somebody else answers there.
            DialFailed: The address is not usable, or no authenticated connection came in time.
        """
        target, peer_id = self._read(address)
        lock = self._locks[peer_id]
        try:
            async with lock:
                if self._is_connected(peer_id):
                    raise NotTried(f"{peer_id} is connected already")
                await self._connect(address, target, peer_id, allows)
        finally:
            if not lock.locked():
                self._locks.pop(peer_id, None)
        return peer_id

    async def reach(self, address: str, allows: Allows = anywhere) -> ID:
        """Connect to the peer of a full multiaddr, or leave it at the connection that there is.

        Raises:
            NoRoom: There is none, and we hold as many as we may.
            DialFailed: There is none, and none came about.
        """
        try:
            return await self.dial(address, allows=allows)
        except NoRoom:
            raise
        except NotTried:
            return self._read(address)[1]

    async def meet(self, address: str) -> ID:
        """Connect to whoever answers at a multiaddr without a peer id, and return who that is.

        Raises:
            NoRoom: We hold as many connections as we may.
            DialFailed: The address is not usable, or no authenticated connection came in time.
        """
        try:
            target = Multiaddr(address)
        except (MultiaddrError, ValueError) as error:
            raise DialFailed(f"not a multiaddr: {address!r}") from error
        reason = "its name has no address"
        for resolved in await self._resolve(target):
            try:
                with trio.fail_after(self._limits.dial_s):
                    peer_id = await self._open(resolved)
            except trio.TooSlowError:
                reason = f"no answer in {self._limits.dial_s:g} s"
            except DialFailed as error:
                reason = str(error)
            except Exception as error:  # the library raises what it likes when a dial fails
                reason = _root_cause(error)
                no_room(error)
            else:
                self._counters.add("dials_done")
                return peer_id
        self._counters.add("dials_failed")
        raise DialFailed(f"cannot reach {address}: {reason}")

    async def _open(self, target: Multiaddr) -> ID:
        """Take the steps of the library's own dialling, but for comparing the peer's identity.

        The noise handshake proves whose key is at the other end all the same.
        """
        raw = await TCP().dial(target)
        try:
            secured = await self._swarm.upgrader.security_multistream.secure_outbound(raw, None)
            peer_id: ID = secured.get_remote_peer()
            if peer_id == self._own_id:
                raise DialFailed("it is our own address")
            if self._is_banned(peer_id) or public_key_of(peer_id) is None:
                raise DialFailed(f"{peer_id}, who answers there, is refused for a while")
            if self._is_connected(peer_id):
                await raw.close()
                return peer_id
            muxed = await self._swarm.upgrader.upgrade_connection(secured, peer_id)
            await self._swarm.add_conn(muxed, direction="outbound")
        except BaseException:
            with shielded(1):
                await raw.close()
            raise
        return peer_id

    def _is_connected(self, peer_id: ID) -> bool:
        return any(not conn.is_closed for conn in self._swarm.get_connections(peer_id))

    def _read(self, address: str) -> tuple[Multiaddr, ID]:
        try:
            target = Multiaddr(address)
            peer_id = read_peer_id(str(target.value_for_protocol("p2p")))
        except (MultiaddrError, ValueError, LookupError) as error:
            raise DialFailed(f"not a full multiaddr with /p2p/PEER_ID: {address!r}") from error
        if peer_id is None:
            raise DialFailed(f"the peer id in {address!r} names no Ed25519 key")
        if peer_id == self._own_id:
            raise DialFailed(f"{address} is our own address")
        if self._is_banned(peer_id):
            raise DialFailed(f"{peer_id} misbehaved and is refused for a while")
        return target, peer_id

    async def _connect(self, address: str, target: Multiaddr, peer_id: ID, allows: Allows) -> None:
        reason = "its name has no address"
        for resolved in await self._resolve(target, allows):
            try:
                with trio.fail_after(self._limits.dial_s):
                    await self._swarm.dial_addr(resolved, peer_id)
            except trio.TooSlowError:
                reason = f"no answer in {self._limits.dial_s:g} s"
            except Exception as error:  # the library raises what it likes when a dial fails
                reason = _root_cause(error)
                no_room(error)
                found = _who_answered(error)
                if found is not None:
                    self._counters.add("dials_failed")
                    who = found or "somebody else"
                    raise WrongPeer(
                        f"cannot reach {address}: {who} answers there", found=found
                    ) from error
            else:
                self._counters.add("dials_done")
                return
        self._counters.add("dials_failed")
        raise DialFailed(f"cannot reach {address}: {reason}")

    async def _resolve(self, target: Multiaddr, allows: Allows = anywhere) -> list[Multiaddr]:
        """Return addresses that begin with an IP and carry no peer id.

        Raises:
            DialFailed: There is none, or none that is allowed.
        """
        first = next((part.name for part in target.protocols()), "")
        port = _tcp_port(target)
        if first in ("ip4", "ip6"):
            return [Multiaddr(f"/{first}/{target.value_for_protocol(first)}/tcp/{port}")]
        if first not in FAMILIES:
            raise DialFailed(f"cannot dial {target}: only ip4, ip6, dns, dns4 and dns6 over tcp")
        name = str(target.value_for_protocol(first))
        try:
            with trio.fail_after(self._limits.dial_s):
                found = await trio.socket.getaddrinfo(
                    name, port, family=FAMILIES[first], type=trio.socket.SOCK_STREAM
                )
        except (OSError, ValueError, trio.TooSlowError) as error:
            raise DialFailed(f"cannot resolve {name!r}: {error}") from error
        places = {str(end[0]): _at(str(end[0]), port) for _, _, _, _, end in found}
        usable = {host: place for host, place in places.items() if place is not None}
        if places and not usable:
            raise DialFailed(f"{name!r} is {next(iter(places))}, which no multiaddr can say")
        allowed = [place for host, place in usable.items() if allows(host)]
        if usable and not allowed:
            reason = "which a stranger may not have us dial"
            raise DialFailed(f"{name!r} is {next(iter(usable))}, {reason}")
        return allowed[:RESOLVED_MAX]


def _at(host: str, port: int) -> Multiaddr | None:
    """Return the multiaddr of an IP address; None if it has none, as fe80::1%eth0."""
    try:
        return Multiaddr(f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{port}")
    except (MultiaddrError, ValueError):
        return None


def _tcp_port(target: Multiaddr) -> int:
    try:
        return int(str(target.value_for_protocol("tcp")))
    except (MultiaddrError, ValueError, LookupError) as error:
        raise DialFailed(f"cannot dial {target}: it names no TCP port") from error


def no_room(error: BaseException) -> None:
    """Say so if a dial failed because we hold as many connections as we may.

    Raises:
        NoRoom: That is why; nobody who was dialled is to blame.
    """
    if _root_cause(error) == _FULL:
        raise NoRoom("we hold as many connections as we may") from error


def _who_answered(error: BaseException | None) -> str | None:
    """Return the peer id that was proven in place of the one we dialled; None if that is not it."""
    while error is not None:
        if isinstance(error, PeerIDMismatchesPubkey):
            match = _FOUND_ID.search(str(error))
            return match.group(1) if match is not None else ""
        error = error.__cause__
    return None


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__

"""Getting through routers that let nobody in: one door to everything that has to do with it."""

from collections.abc import Awaitable, Callable

from libp2p.abc import IHost
from libp2p.peer.id import ID

from bootstrap.dialing import Allows, anywhere
from node.net.circuit import CircuitLimits
from node.net.circuits import Circuits
from node.net.counters import Counters
from node.net.punch import Punch
from node.net.reach import Reach
from node.net.relay import CircuitRelay


class Nat:
    """Finds out whether we can be dialled, and connects through relays where one end cannot."""

    def __init__(
        self,
        *,
        host: IHost,
        dial_relay: Callable[[str, Allows], Awaitable[ID]],
        is_welcome: Callable[[ID], bool],
        is_member: Callable[[ID], bool],
        is_announced: bool,
        is_relay: bool,
        handshake_s: float,
        counters: Counters,
        limits: CircuitLimits | None = None,
    ) -> None:
        """Begin without a circuit.

        Args:
            host: Whose connections they become.
            dial_relay: Connects to the relay at a full multiaddr, if need be.
            is_welcome: Whether we deal with a peer.
            is_member: Whether a peer takes part in our network.
            is_announced: Whether the operator says where we are dialled.
            is_relay: Whether we carry the circuits of others.
            handshake_s: For a circuit to become an authenticated connection.
            counters: Where it is counted.
            limits: Every bound.
        """
        limits = limits if limits is not None else CircuitLimits()
        self._reach = Reach(host=host, is_announced=is_announced, limits=limits, counters=counters)
        self._punch = Punch(host=host, own_ip=self._reach.likely_ip, counters=counters)
        self._punch.install()
        self._circuits = Circuits(
            host=host,
            dial_relay=dial_relay,
            is_welcome=is_welcome,
            is_member=is_member,
            is_reserved=self._reach.is_reserved,
            admitted=self._punch.invite,
            handshake_s=handshake_s,
            limits=limits,
            counters=counters,
        )
        self._circuits.install()
        if is_relay:
            CircuitRelay(host=host, is_member=is_member, limits=limits, counters=counters).install()

    async def run(self) -> None:
        """Run until cancelled."""
        await self._reach.run()

    def is_reserved(self, relay_id: ID) -> bool:
        """Return whether we have a place at a relay."""
        return self._reach.is_reserved(relay_id)

    def addresses(self) -> tuple[str, ...]:
        """Return the full multiaddrs at which we are dialled through relays."""
        return self._reach.addresses()

    async def dial(self, address: str, *, allows: Allows = anywhere) -> ID:
        """Connect to the peer at a full multiaddr behind a relay.

        Args:
            address: Where.
            allows: Asked about every IP address that a name in it stands for.

        Raises:
            NotTried: The peer is connected some other way.
            DialFailed: It cannot be used, or no authenticated connection came in time.
        """
        return await self._circuits.dial(address, allows=allows)

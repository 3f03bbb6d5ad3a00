"""What joining needs of the network, and what it is told when a dial leads to somebody else."""

from collections.abc import Callable, Sequence
from typing import Protocol

from protocol.errors import MarketError
from protocol.ids import PeerId


class SomebodyElse(MarketError):
    """Who answers at an address is not whom it names.

    Attributes:
        found: The identity that answers there; empty if it does not say.
    """

    def __init__(self, message: str, *, found: str) -> None:
        super().__init__(message)
        self.found = found


class AlreadyConnected(MarketError):
    """The peer is connected some other way: whether it is at the address was not tried."""


Allows = Callable[[str], bool]  # whether a connection to an IP address may be opened


def anywhere(host: str) -> bool:
    """Allow a connection to any IP address."""
    return True


class Connected(Protocol):
    """A live connection, as far as joining needs to know it."""

    @property
    def peer_id(self) -> PeerId:
        """Return the identity at the other end."""
        ...

    @property
    def outbound(self) -> bool:
        """Return whether we dialled it."""
        ...

    @property
    def address(self) -> str:
        """Return where it was reached or came from, a multiaddr without its peer id."""
        ...

    @property
    def is_ours(self) -> bool:
        """Return whether it takes part in our network, as far as we know yet."""
        ...


class Dialer(Protocol):
    """Whoever opens connections for us; every call has a time limit of its own."""

    async def dial(self, address: str, *, allows: Allows = anywhere) -> PeerId:
        """Connect to one full multiaddr.

        Args:
            address: Where.
            allows: Asked about every IP address that a name in it stands for.

        Raises:
            AlreadyConnected: The peer was connected before the address was tried.
            SomebodyElse: Another identity answers there.
            MarketError: No authenticated connection came about.
        """
        ...

    async def meet(self, address: str) -> PeerId:
        """Connect to whoever answers at a multiaddr without a peer id, and say who that is.

        Raises:
            MarketError: No authenticated connection came about.
        """
        ...

    async def texts(self, name: str) -> Sequence[str]:
        """Return the TXT records of a DNS name.

        Raises:
            MarketError: There is no answer.
        """
        ...

    async def networks_of(self, peer_id: PeerId) -> Sequence[str]:
        """Ask a connected peer for the ids of the networks it takes part in, in hex.

        Raises:
            MarketError: It gives no answer.
        """
        ...

    async def hang_up(self, peer_id: PeerId) -> None:
        """Close every connection to a peer."""
        ...

    def peers(self) -> Sequence[Connected]:
        """Return the live connections."""
        ...

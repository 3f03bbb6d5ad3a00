"""Who is connected, asked once in a while: what others say is weighed by it, address by address."""

from collections.abc import Callable, Sequence

from bootstrap.dialing import Connected, Dialer
from bootstrap.network_group import groups_at, host_at
from protocol.ids import PeerId

RECENT_MS = 1_000  # so old may be what is known; to ask for 128 of them takes two milliseconds


class Neighbours:
    """Those who are connected, as they were a moment ago.

    Args:
        dialer: Knows them.
        clock_ms: A monotonic clock.
    """

    def __init__(self, dialer: Dialer, clock_ms: Callable[[], int]) -> None:
        self._dialer = dialer
        self._clock_ms = clock_ms
        self._seen: Sequence[Connected] = ()
        self._seen_ms: int | None = None  # when they were asked for
        self._hosts: tuple[str, ...] = ()

    def look(self) -> Sequence[Connected]:
        """Return who is connected now."""
        self._seen = self._dialer.peers()
        self._seen_ms = self._clock_ms()
        self._hosts = tuple(host_at(peer.address) for peer in self._seen)
        return self._seen

    def forget(self) -> None:
        """Ask anew the next time: somebody came or left."""
        self._seen_ms = None

    def hosts(self) -> tuple[str, ...]:
        """Return their hosts, IP addresses or names."""
        self._recent()
        return self._hosts

    def group_of(self, peer_id: PeerId | None) -> str:
        """Return the part of the internet a peer is in; empty if it is not connected.

        Behind a relay it is CIRCUITS: else one machine would speak from the parts of many relays.
        """
        found = (peer for peer in self._recent() if peer.peer_id == peer_id)
        return next((groups_at(peer.address)[0] for peer in found), "")

    def is_joined(self) -> bool:
        """Return whether one of our network is connected whom we dialled: our own line works."""
        return any(peer.outbound and peer.is_ours for peer in self._recent())

    def _recent(self) -> Sequence[Connected]:
        is_old = self._seen_ms is None or self._clock_ms() - self._seen_ms >= RECENT_MS
        return self.look() if is_old else self._seen

"""One address of a peer with what we know of it."""

from dataclasses import dataclass

from bootstrap.addresses import PeerAddress
from bootstrap.network_group import CIRCUITS, group_of, groups_at
from protocol.ids import PeerId

FAILURES_MAX = 3  # in a row of what never worked, before it makes room
GONE_FAILURES = 12  # in a row, and no sign of it for GONE_MS: it makes room though it once worked
GONE_MS = 24 * 3_600_000
STALE_MS = 30 * 24 * 3_600_000  # a place nobody spoke of for so long makes room


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a peer and what we know of it.

    Attributes:
        address: The full multiaddr.
        peer_id: The identity at its end.
        group: The part of the internet it is in; CIRCUITS if it is behind a relay.
        worked_ms: When it last led to a node of our network; 0 if it never did.
        heard_ms: When we last heard of it, give or take an hour.
        failures: Attempts in a row that led to nothing, over all runs of the node.
        source: The part of the internet in which somebody told us of it; empty if unknown.
        is_configured: Whether the operator named it; such a place is never forgotten.
        is_anchor: Whether it is dialled first after a restart.
    """

    address: str
    peer_id: PeerId
    group: str = ""
    worked_ms: int = 0
    heard_ms: int = 0
    failures: int = 0
    source: str = ""
    is_configured: bool = False
    is_anchor: bool = False

    @property
    def groups(self) -> tuple[str, ...]:
        """Return every group it counts in: a circuit also in that of its relay."""
        return groups_at(self.address) if self.group == CIRCUITS else (self.group,)

    @property
    def last_ms(self) -> int:
        """Return when there was last a sign of it."""
        return max(self.worked_ms, self.heard_ms)


def place_at(parsed: PeerAddress, *, heard_ms: int = 0, source: str = "") -> Place:
    """Return a place nothing is known of yet."""
    group = CIRCUITS if parsed.relay else group_of(parsed.host, parsed.port)
    return Place(parsed.text, parsed.peer_id, group, heard_ms=heard_ms, source=source)


def makes_room(place: Place, now_ms: int) -> bool:
    """Return whether a place is worth less than any other we may hear of."""
    failed = place.worked_ms == 0 and place.failures >= FAILURES_MAX
    is_gone = place.failures >= GONE_FAILURES and now_ms - place.last_ms > GONE_MS
    return failed or is_gone or now_ms - place.last_ms > STALE_MS


def most_proven_first(place: Place) -> tuple[int, int, str]:
    """Order places by what worked last, then by what was heard of last."""
    return (-place.worked_ms, -place.heard_ms, place.address)

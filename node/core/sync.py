"""Deciding when to compare logs, and with whom: one session at a time, nobody gets all of them.

The first is with a peer we dialled, for strangers fill only the places behind those. From then on,
in order: whoever may have what we wait for; now and then anybody; now and then over salted ids,
since sums can be made to collide; a peer not met since it came; one whose presence shows another
log than ours. What a peer can bring about by itself comes last, so that none has us for itself.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from protocol.ids import PeerId

GAP_MS = 5_000  # from the end of a session to the next; a failed one does not count
RANDOM_EVERY_MS = 10_000  # on average; equal logs compare for 21 bytes
YIELD_MS = 2_000  # a peer that dialled us, or asks us, is left to do so: else all moves twice
SALTED_EVERY_MS = 3_600_000
FAILED_PAUSE_MS = 10_000  # a peer that did not answer is passed over for so long, then twice that
WRONG_PAUSE_MS = 600_000  # one that lied for so long; nobody for longer
WAIT_FIRST_MS = 1_000  # between two sessions of a node that waits; doubles while nothing comes
WAIT_LAST_MS = 60_000
WAIT_REACH_MS = 60_000  # so much older than what we wait for may be what we lack
PASSED_OVER_MAX = 256  # peers remembered; a guess: more than can be connected


class Outcome(Enum):
    """How a session ended."""

    EQUAL = "equal"
    MOVED = "moved"  # records came or went
    FAILED = "failed"  # no answer, or too slow
    WRONG = "wrong"  # what it sent cannot be right


@dataclass(frozen=True, slots=True)
class Session:
    """A comparison to be made.

    Attributes:
        peer: With whom.
        since_ms: Records dated earlier are left out; 0 for the whole log.
        is_salted: Whether ids are hashed with a fresh salt first.
    """

    peer: PeerId
    since_ms: int = 0
    is_salted: bool = False

    @property
    def is_full(self) -> bool:
        """Answer whether the whole log is compared."""
        return self.since_ms == 0


@dataclass(slots=True)
class _Peer:
    outbound: bool
    asks_until_ms: int
    is_met: bool = False
    differs: bool = False


class _Fault(NamedTuple):
    until_ms: int
    pause_ms: int


_NO_FAULT = _Fault(0, FAILED_PAUSE_MS // 2)


class SyncPlanner:
    """Knows who is here and what was found out; told moments of a monotonic clock."""

    def __init__(self, dice: Callable[[int], int], now_ms: int) -> None:
        """Begin with nobody.

        Args:
            dice: Returns a random number below its argument.
            now_ms: This moment.
        """
        self._dice = dice
        self._peers: dict[PeerId, _Peer] = {}
        self._passed_over: OrderedDict[PeerId, _Fault] = OrderedDict()
        self._session: Session | None = None
        self._is_level = False  # whether the whole log was compared once
        self._gap_until_ms = now_ms
        self._random_at_ms = now_ms + self._jittered(RANDOM_EVERY_MS)
        self._salted_at_ms = now_ms + self._jittered(SALTED_EVERY_MS)
        self._wait_at_ms = now_ms
        self._wait_ms = WAIT_FIRST_MS
        self._waited_since_ms: int | None = None

    @property
    def session(self) -> Session | None:
        """Return the session that goes on."""
        return self._session

    def came(self, peer: PeerId, now_ms: int, *, outbound: bool) -> None:
        """Note a peer that connected, or followed our topics, or connected again."""
        self._peers[peer] = _Peer(outbound, now_ms if outbound else now_ms + YIELD_MS)

    def asked(self, peer: PeerId, now_ms: int) -> None:
        """Note that a peer is comparing its log with ours."""
        known = self._peers.get(peer)
        if known is not None:
            known.asks_until_ms = now_ms + YIELD_MS

    def left(self, peer: PeerId) -> None:
        """Note a peer that is gone."""
        self._peers.pop(peer, None)

    def differs(self, peer: PeerId) -> None:
        """Note that a peer's presence tells of another log than ours."""
        known = self._peers.get(peer)
        if known is not None:
            known.differs = True

    def next(self, now_ms: int, *, waits_for_ms: int | None = None) -> Session | None:
        """Return the session to begin now, and count it as begun; None if it is not time.

        Args:
            now_ms: This moment.
            waits_for_ms: The date of the oldest task this node waits for; None if it waits for
                nothing.
        """
        self._note_waiting(now_ms, waits_for_ms)
        if self._session is not None or now_ms < self._gap_until_ms:
            return None
        here = [
            peer
            for peer, known in self._peers.items()
            if known.asks_until_ms <= now_ms
            and self._passed_over.get(peer, _NO_FAULT).until_ms <= now_ms
        ]
        if not here:
            return None
        self._session = self._choose(here, now_ms)
        return self._session

    def look_at_ms(self, now_ms: int) -> int:
        """Return when to ask for the next session if nothing happens before; later than now."""
        moments = [self._random_at_ms, self._salted_at_ms]
        moments += [fault.until_ms for fault in self._passed_over.values()]
        moments += [peer.asks_until_ms for peer in self._peers.values()]
        if self._waited_since_ms is not None:
            moments.append(self._wait_at_ms)
        if any(not peer.is_met or peer.differs for peer in self._peers.values()):
            moments.append(self._gap_until_ms)
        if now_ms < self._gap_until_ms:
            moments = [max(moment, self._gap_until_ms) for moment in moments]
        return min((moment for moment in moments if moment > now_ms), default=now_ms + GAP_MS)

    def ended(self, outcome: Outcome, now_ms: int) -> None:
        """Note how the session ended."""
        session, self._session = self._session, None
        assert session is not None, "no session goes on"
        if outcome in (Outcome.FAILED, Outcome.WRONG):
            before = self._passed_over.pop(session.peer, _NO_FAULT)
            pause_ms = min(2 * before.pause_ms, WRONG_PAUSE_MS)
            if outcome is Outcome.WRONG:
                pause_ms = WRONG_PAUSE_MS
            self._passed_over[session.peer] = _Fault(now_ms + pause_ms, pause_ms)
            while len(self._passed_over) > PASSED_OVER_MAX:
                self._passed_over.popitem(last=False)
            return
        self._passed_over.pop(session.peer, None)
        self._gap_until_ms = now_ms + GAP_MS
        known = self._peers.get(session.peer)
        if session.is_full:
            self._is_level = True
            if known is not None:
                known.is_met, known.differs = True, False
        if outcome is Outcome.MOVED:
            self._wait_ms = WAIT_FIRST_MS

    def _choose(self, here: Sequence[PeerId], now_ms: int) -> Session | None:
        unmet = [peer for peer in here if not self._peers[peer].is_met]
        unmet = [peer for peer in unmet if self._peers[peer].outbound] or unmet
        if unmet and not self._is_level:
            return Session(self._any(unmet))
        if self._waited_since_ms is not None and now_ms >= self._wait_at_ms:
            self._wait_at_ms = now_ms + self._wait_ms
            self._wait_ms = min(2 * self._wait_ms, WAIT_LAST_MS)
            return Session(self._any(here), max(self._waited_since_ms - WAIT_REACH_MS, 1))
        if now_ms >= self._random_at_ms:
            self._random_at_ms = now_ms + self._jittered(RANDOM_EVERY_MS)
            return Session(self._any(here))
        if now_ms >= self._salted_at_ms:
            self._salted_at_ms = now_ms + self._jittered(SALTED_EVERY_MS)
            return Session(self._any(here), is_salted=True)
        wanted = unmet or [peer for peer in here if self._peers[peer].differs]
        return Session(self._any(wanted)) if wanted else None

    def _note_waiting(self, now_ms: int, waits_for_ms: int | None) -> None:
        if waits_for_ms is None:
            self._wait_ms = WAIT_FIRST_MS
        elif self._waited_since_ms is None:
            self._wait_at_ms = now_ms
        self._waited_since_ms = waits_for_ms

    def _any(self, peers: Sequence[PeerId]) -> PeerId:
        return peers[self._dice(len(peers))]

    def _jittered(self, about_ms: int) -> int:
        """Return from half to one and a half of a span, so that nodes do not fall into step."""
        return about_ms // 2 + self._dice(about_ms)

"""Deciding when to compare logs, and with whom: one session at a time, nobody gets all of them.

The first is with a peer we dialled, for strangers fill only the places behind those; where more is
left than one session moves, the next is with another. From then on there are four reasons, and of
those that apply the one that was followed longest ago is: something we wait for; now and then
anybody; now and then over salted ids, since sums can be made to collide; a peer that we have not
met since it came, or whose presence shows another log than ours. Every other session goes to a peer
we dialled, if there is one, so that no crowd has us for itself.
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
FILL_YIELD_MS = 8_000  # one that fills our log, too: its next page takes 2 to 4 s on a slow line
SALTED_EVERY_MS = 3_600_000
SALTED_AGAIN_MS = 600_000  # after one that failed: within it a peer hashes its log for us twice
FAILED_PAUSE_MS = 10_000  # a peer that did not answer is passed over for so long, then twice that
REFUSED_PAUSE_MS = 60_000  # one that stores nothing for so long, then twice that
WRONG_PAUSE_MS = 600_000  # one that lied for so long; nobody for longer
WAIT_FIRST_MS = 1_000  # between two sessions of a node that waits; doubles while nothing comes
WAIT_LAST_MS = 60_000
WAIT_REACH_MS = 60_000  # so much older than what we wait for may be what we lack
PASSED_OVER_MAX = 256  # peers remembered; a guess: more than can be connected


class Outcome(Enum):
    """How a session ended."""

    EQUAL = "equal"
    MOVED = "moved"  # records came or went, and now both have all
    REFUSED = "refused"  # we have all of theirs; what they lack they do not take
    UNFINISHED = "unfinished"  # records came or went, more are left, and nobody is to blame
    FAILED = "failed"  # no answer, or too slow
    WRONG = "wrong"  # what it sent cannot be right


class _Reason(Enum):
    """Why a session is begun."""

    WAITING = "waiting"
    RANDOM = "random"
    SALTED = "salted"
    NEWS = "news"


@dataclass(frozen=True, slots=True)
class Session:
    """A comparison to be made.

    Attributes:
        peer: With whom.
        since_ms: Records dated earlier are left out; 0 for the whole log.
        is_salted: Whether ids are hashed with a fresh salt first.
        is_surely_different: Whether the logs are known to differ, so that asking whether they do
            would cost a message more.
    """

    peer: PeerId
    since_ms: int = 0
    is_salted: bool = False
    is_surely_different: bool = False

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
        self._reason = _Reason.NEWS  # of that session
        self._reasons = list(_Reason)  # the one followed longest ago comes first
        self._is_level = False  # whether the whole log was compared once
        self._unfinished: PeerId | None = None  # with whom more was left than one session moves
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
        fault = self._passed_over.get(peer)
        if outbound and fault is not None and fault.pause_ms < WRONG_PAUSE_MS:
            del self._passed_over[peer]  # whom we dialled anew may have been gone

    def knows(self, peer: PeerId) -> bool:
        """Answer whether a peer is here, as far as was told."""
        return peer in self._peers

    def is_dialled(self, peer: PeerId) -> bool:
        """Answer whether a peer is here that we dialled, as far as was told."""
        return peer in self._peers and self._peers[peer].outbound

    def asked(self, peer: PeerId, now_ms: int) -> None:
        """Note that a peer is comparing its log with ours."""
        self._yield_to(peer, now_ms + YIELD_MS)

    def fills(self, peer: PeerId, now_ms: int) -> None:
        """Note that a peer has sent us a page full of what we lacked: more of it will come."""
        self._yield_to(peer, now_ms + FILL_YIELD_MS)

    def _yield_to(self, peer: PeerId, until_ms: int) -> None:
        known = self._peers.get(peer)
        if known is not None:
            known.asks_until_ms = max(known.asks_until_ms, until_ms)

    def left(self, peer: PeerId) -> None:
        """Note a peer that is gone."""
        self._peers.pop(peer, None)

    def differs(self, peer: PeerId) -> None:
        """Note that a peer's presence tells of another log than ours."""
        known = self._peers.get(peer)
        if known is not None:
            known.differs = True

    def next(
        self, now_ms: int, *, waits_for_ms: int | None = None, meets_all: bool = False
    ) -> Session | None:
        """Return the session to begin now, and count it as begun; None if it is not time.

        Args:
            now_ms: This moment.
            waits_for_ms: The date of the oldest task this node waits for; None if it waits for
                nothing.
            meets_all: Whether this node does nothing until it has met everybody: then those it has
                not met come first, one right after the other.
        """
        self._note_waiting(now_ms, waits_for_ms)
        if self._session is not None:
            return None
        here = [
            peer
            for peer, known in self._peers.items()
            if known.asks_until_ms <= now_ms
            and self._passed_over.get(peer, _NO_FAULT).until_ms <= now_ms
        ]
        if now_ms < self._gap_until_ms:
            hurries = meets_all and self._unfinished is None
            here = [peer for peer in here if hurries and not self._peers[peer].is_met]
        if not here:
            return None
        self._session = self._choose(here, now_ms, meets_all=meets_all)
        return self._session

    def look_at_ms(self, now_ms: int) -> int:
        """Return when to ask for the next session if nothing happens before; later than now."""
        moments = [self._gap_until_ms, self._random_at_ms, self._salted_at_ms]
        moments += [fault.until_ms for fault in self._passed_over.values()]
        moments += [peer.asks_until_ms for peer in self._peers.values()]
        if self._waited_since_ms is not None:
            moments.append(self._wait_at_ms)
        earliest_ms = max(self._gap_until_ms, now_ms + 1)
        return min((one for one in moments if one >= earliest_ms), default=now_ms + GAP_MS)

    def ended(self, outcome: Outcome, now_ms: int) -> None:
        """Note how the session ended."""
        session, self._session = self._session, None
        assert session is not None, "no session goes on"
        self._unfinished = session.peer if outcome is Outcome.UNFINISHED else None
        match outcome:
            case Outcome.FAILED if session.is_salted:
                self._put_off_salted(session.peer, now_ms)
                return
            case Outcome.FAILED:
                self._pass_over(session.peer, now_ms, first_ms=FAILED_PAUSE_MS)
            case Outcome.REFUSED:
                self._pass_over(session.peer, now_ms, first_ms=REFUSED_PAUSE_MS)
            case Outcome.WRONG:
                self._pass_over(session.peer, now_ms, first_ms=WRONG_PAUSE_MS)
            case _:
                self._passed_over.pop(session.peer, None)
        if outcome in (Outcome.FAILED, Outcome.WRONG):
            self._rearm(now_ms)
            return
        self._gap_until_ms = now_ms + GAP_MS
        if outcome in (Outcome.MOVED, Outcome.UNFINISHED):
            self._wait_ms = WAIT_FIRST_MS
        if session.is_full and outcome is not Outcome.UNFINISHED:
            self._is_level = True
            known = self._peers.get(session.peer)
            if known is not None:
                known.is_met, known.differs = True, False

    def _pass_over(self, peer: PeerId, now_ms: int, *, first_ms: int) -> None:
        before = self._passed_over.pop(peer, _NO_FAULT)
        pause_ms = min(max(2 * before.pause_ms, first_ms), WRONG_PAUSE_MS)
        self._remember(peer, _Fault(now_ms + pause_ms, pause_ms))

    def _remember(self, peer: PeerId, fault: _Fault) -> None:
        self._passed_over[peer] = fault
        while len(self._passed_over) > PASSED_OVER_MAX:
            self._passed_over.popitem(last=False)

    def _put_off_salted(self, peer: PeerId, now_ms: int) -> None:
        """Go on without salt: a peer that hashes no log for us may answer everything else."""
        pause_ms = self._passed_over.pop(peer, _NO_FAULT).pause_ms  # as before: nothing doubles
        self._remember(peer, _Fault(now_ms + FAILED_PAUSE_MS, pause_ms))
        self._salted_at_ms = now_ms + SALTED_AGAIN_MS + self._dice(SALTED_AGAIN_MS)

    def _rearm(self, now_ms: int) -> None:
        """Let the reason of a session that came to nothing lead to another peer at once."""
        match self._reason:
            case _Reason.WAITING:
                self._wait_at_ms = now_ms
                self._wait_ms = max(self._wait_ms // 2, WAIT_FIRST_MS)
            case _Reason.RANDOM:
                self._random_at_ms = now_ms
            case _Reason.SALTED:
                self._salted_at_ms = now_ms
            case _Reason.NEWS:
                return
        self._reasons.remove(self._reason)
        self._reasons.insert(0, self._reason)

    def _choose(self, here: Sequence[PeerId], now_ms: int, *, meets_all: bool) -> Session | None:
        if meets_all or not self._is_level:
            unmet = [peer for peer in here if not self._peers[peer].is_met]
            others = [peer for peer in unmet if peer != self._unfinished]
            ours = [peer for peer in others if self._peers[peer].outbound]
            if unmet:
                self._reason = _Reason.NEWS
                return Session(self._any(ours or others or unmet))
        for reason in self._reasons:
            session = self._follow(reason, here, now_ms)
            if session is not None:
                self._reason = reason
                self._reasons.remove(reason)
                self._reasons.append(reason)
                return session
        return None

    def _follow(self, reason: _Reason, here: Sequence[PeerId], now_ms: int) -> Session | None:
        """Return a session for a reason, if it applies now."""
        match reason:
            case _Reason.WAITING:
                if self._waited_since_ms is None or now_ms < self._wait_at_ms:
                    return None
                self._wait_at_ms = now_ms + self._wait_ms
                self._wait_ms = min(2 * self._wait_ms, WAIT_LAST_MS)
                return Session(self._any(here), max(self._waited_since_ms - WAIT_REACH_MS, 1))
            case _Reason.RANDOM:
                if now_ms < self._random_at_ms:
                    return None
                self._random_at_ms = now_ms + self._jittered(RANDOM_EVERY_MS)
                return Session(self._any(here))
            case _Reason.SALTED:
                if now_ms < self._salted_at_ms:
                    return None
                self._salted_at_ms = now_ms + self._jittered(SALTED_EVERY_MS)
                return Session(self._any(here), is_salted=True)
            case _Reason.NEWS:
                wanted = [one for one in here if self._has_news(one)]
                if not wanted:
                    return None
                peer = self._any(wanted)
                return Session(peer, is_surely_different=self._peers[peer].differs)

    def _has_news(self, peer: PeerId) -> bool:
        known = self._peers[peer]
        return known.differs or not known.is_met

    def _note_waiting(self, now_ms: int, waits_for_ms: int | None) -> None:
        if waits_for_ms is None:
            self._wait_ms = WAIT_FIRST_MS
        elif self._waited_since_ms is None:
            self._wait_at_ms = now_ms
        self._waited_since_ms = waits_for_ms

    def _any(self, peers: Sequence[PeerId]) -> PeerId:
        """Draw a peer; every other time one that we dialled, if there is one."""
        ours = [peer for peer in peers if self._peers[peer].outbound]
        drawn_from = ours if ours and self._dice(2) == 0 else peers
        return drawn_from[self._dice(len(drawn_from))]

    def _jittered(self, about_ms: int) -> int:
        """Return from half to one and a half of a span, so that nodes do not fall into step."""
        return about_ms // 2 + self._dice(about_ms)

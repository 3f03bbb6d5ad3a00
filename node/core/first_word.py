"""When a key that was used before may sign: once its peers told what they know, or nobody can.

A directory may have been put back from an old copy. What was signed since is known to peers alone,
and to sign before they told it is to sign twice. But nobody must be able to keep a node silent by
being connected and telling nothing.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from node.core.sync import Outcome
from protocol.ids import PeerId

ALONE_MS = 10_000  # nobody who could tell for so long: nobody knows more than we do
FAILURES_MAX = 3  # sessions in a row that moved nothing, over half a minute at least
HELD_BACK_MS_MAX = 300_000  # in all, however often new names come that tell nothing; a guess
# From the beginning, however long a log somebody whom we chose goes on to send; a guess. By then
# another must have told.
TELLING_MS_MAX = 3_600_000
PEERS_KEPT_MAX = 256  # of whom it is known how they did; a guess: more than can be connected

_TOLD = (Outcome.EQUAL, Outcome.MOVED, Outcome.REFUSED)  # we have all of theirs


class Candidate(NamedTuple):
    """A connected peer.

    Attributes:
        peer: Who it is.
        chosen: Whether we dialled it by our own choice, see `bootstrap.meetings`. Whom we dialled
            because somebody told us of it is like one that dialled us.
        is_ours: Whether it follows the topics of our network, and we can speak to it.
    """

    peer: PeerId
    chosen: bool
    is_ours: bool


class FirstWord:
    """Told of sessions and of who is here; looked at several times a second.

    A peer can tell if we chose it or it follows our topics, until FAILURES_MAX sessions in a row
    failed. A peer that we chose is believed when it says that we have all. The others only once
    none that we chose could tell for ALONE_MS, and all of them together, those as well who went a
    moment ago: a stranger says so at once, before an honest peer is back, or has told what it has,
    and has us dial a second key of his within a second. Where something was surely lost, their word
    counts after HELD_BACK_MS_MAX only.
    """

    def __init__(self, now_ms: int, *, may_be_alone: bool) -> None:
        """Begin, knowing of nobody.

        Args:
            now_ms: This moment, of a monotonic clock.
            may_be_alone: Whether it is enough that nobody can tell; it is not where the end of the
                journal was lost, or its owner says that it is too short.
        """
        self._may_be_alone = may_be_alone
        self._failures: OrderedDict[PeerId, int] = OrderedDict()
        self._heard: OrderedDict[PeerId, int] = OrderedDict()  # when who said that we have all
        self._unheard: OrderedDict[PeerId, int] = OrderedDict()  # when who was here, and said not
        self._is_sure = False  # told by somebody we chose
        self.begin(now_ms)

    def begin(self, now_ms: int) -> None:
        """Wait from now on: we begin, or cannot compare by no fault of others."""
        self._since_ms = self._begun_ms = now_ms
        self._chosen_ms = now_ms  # when somebody last could tell whom we chose

    def ended(
        self, peer: PeerId, outcome: Outcome, now_ms: int, *, told: bool, chosen: bool
    ) -> None:
        """Note how a session over the whole log ended.

        Args:
            peer: With whom.
            outcome: How.
            now_ms: This moment.
            told: Whether records came.
            chosen: Whether we chose the peer.
        """
        failures = self._failures.pop(peer, 0) + 1
        if outcome in _TOLD:
            self._is_sure = self._is_sure or chosen
            _note(self._heard, peer, now_ms)
        elif outcome is Outcome.WRONG:
            self._heard.pop(peer, None)
            _note(self._failures, peer, FAILURES_MAX)
        elif not told and outcome is Outcome.FAILED:
            _note(self._failures, peer, failures)
        elif told and chosen:  # a long log on a slow line
            self._since_ms = now_ms

    def look(self, here: Iterable[Candidate], now_ms: int) -> bool:
        """Return whether this node may sign now.

        Args:
            here: Everybody who is connected.
            now_ms: This moment.
        """
        able = [one for one in here if self._can_tell(one)]
        # One that dialled us may have told before we dialled it as well.
        if self._is_sure or any(one.chosen and one.peer in self._heard for one in able):
            return True
        if any(one.chosen for one in able):
            self._chosen_ms = now_ms
        is_told, are_all_heard = bool(self._heard), not self._waits_for_words(able, now_ms)
        if is_told and now_ms - self._begun_ms >= TELLING_MS_MAX:
            return True
        patience_ms = ALONE_MS if self._may_be_alone else HELD_BACK_MS_MAX
        is_quiet = are_all_heard and now_ms - self._chosen_ms >= patience_ms
        is_over = is_quiet or now_ms - self._since_ms >= HELD_BACK_MS_MAX
        return is_over and (is_told or self._may_be_alone)

    def _waits_for_words(self, able: Iterable[Candidate], now_ms: int) -> bool:
        for one in able:
            _note(self._unheard, one.peer, now_ms)
        for peer, here_ms in list(self._unheard.items()):
            is_useless = self._failures.get(peer, 0) >= FAILURES_MAX
            if peer in self._heard or is_useless or now_ms - here_ms >= ALONE_MS:
                del self._unheard[peer]
        return bool(self._unheard)

    def _can_tell(self, one: Candidate) -> bool:
        return (one.chosen or one.is_ours) and self._failures.get(one.peer, 0) < FAILURES_MAX


def _note(noted: OrderedDict[PeerId, int], peer: PeerId, value: int) -> None:
    noted.pop(peer, None)
    noted[peer] = value
    while len(noted) > PEERS_KEPT_MAX:
        noted.popitem(last=False)

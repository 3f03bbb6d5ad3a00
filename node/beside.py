"""What a node remembers to show others beside itself: its states of late, and who told of whom."""

from collections import OrderedDict, deque
from collections.abc import Iterable

from consensus import layout
from consensus.rows import Changes
from consensus.state_digest import digest_of
from protocol.ids import Digest, PeerId, PublicKey
from protocol.record import Verified

# A presence is said every ten seconds or so, and tells the state of that moment: while tasks flow,
# whoever is fully in step has always told an older one.
LATELY_MS = 60_000
STATES_MAX = 4_096  # 68 a second for a minute; beyond, the oldest are forgotten sooner
TELLERS_MAX = 4_096  # as many authors as a node remembers


class RecentStates:
    """The digests of the states this node was in during the last minute.

    The moments it is told must never go back.
    """

    def __init__(self, now: Digest) -> None:
        """Begin with the state of the log."""
        self._since: deque[tuple[int, Digest]] = deque([(0, now)], maxlen=STATES_MAX)

    def note_step(self, written: Iterable[Changes], now_ms: int) -> None:
        """Take in what a step of the machine wrote, be it nothing; by the monotonic clock."""
        for changes in written:
            totals = changes.get(layout.TOTALS)
            if totals is None:
                continue
            digest = digest_of(layout.read_totals(totals).digest)
            if digest != self._since[-1][1]:
                self._since.append((now_ms, digest))
        self._drop(now_ms)

    def lately(self, now_ms: int) -> frozenset[Digest]:
        """Return the state of now, and each that was ours within the last minute."""
        self._drop(now_ms)
        return frozenset(digest for _, digest in self._since)

    def _drop(self, now_ms: int) -> None:
        """Forget each state that was followed by another a minute ago or more."""
        while len(self._since) > 1 and self._since[1][0] <= now_ms - LATELY_MS:
            self._since.popleft()


class Tellers:
    """For each author, the neighbour that first brought us its newest presence by gossip."""

    def __init__(self, *, authors_max: int = TELLERS_MAX) -> None:
        """Remember so many; whoever was told of longest ago makes room."""
        self._told: OrderedDict[PublicKey, tuple[int, PeerId]] = OrderedDict()
        self._authors_max = authors_max

    def note(self, record: Verified, teller: PeerId) -> None:
        """Take in a presence that a neighbour brought; only the first of a newer one counts."""
        known = self._told.get(record.author)
        if known is not None and record.created_ms <= known[0]:
            return
        self._told[record.author] = record.created_ms, teller
        self._told.move_to_end(record.author)
        if len(self._told) > self._authors_max:
            self._told.popitem(last=False)

    def find(self, author: PublicKey, created_ms: int) -> PeerId | None:
        """Return who brought the presence of that date; None if it came another way."""
        known = self._told.get(author)
        return known[1] if known is not None and known[0] == created_ms else None

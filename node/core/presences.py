"""Who is here: the last word of every author about itself, for as long as it counts."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from heapq import heappop, heappush

from node.core.settings import Settings
from protocol.ids import PublicKey
from protocol.record import Record, Verified
from protocol.statements import Capability, Presence

# Those who can run one thing are listed from the first question on, which is about what we run or
# ask for ourselves; the oldest list makes room.
CROWDS_MAX = 16
# Who is only known by a record holds this part of the table at most: keys are free.
WORDLESS_SHARE = 4
# Beyond this part of a full table, who has nothing in the log makes room before anybody else.
UNPROVEN_SHARE = 4
# One may take the place of another only so often: all pass on whom they take in, and so it is no
# more than a large network says when nobody floods it (`presence_nodes_per_s`).
UNPROVEN_EVERY_MS = 60
_NEVER_MS = 2**63
_SECOND_MS = 1_000
SWEPT_WITHIN_MS = 60_000  # after somebody's time ran out, though nobody asks who is here; a guess


class Heard:
    """What we know of one author; small, for every node holds one of every other.

    Attributes:
        record: Its last presence as it was signed; None if only other records were heard.
        newest_ms: The newest date on anything it wrote.
        until_ms: Until when it counts as live, by our monotonic clock.
        heard_ms: When we last heard of it, by our monotonic clock.
    """

    __slots__ = ("heard_ms", "newest_ms", "record", "until_ms")

    def __init__(self, record: Verified | None, *, newest_ms: int, heard_ms: int) -> None:
        self.record = record
        self.newest_ms = newest_ms
        self.until_ms = 0
        self.heard_ms = heard_ms

    @property
    def presence(self) -> Presence | None:
        """Return what it last said of itself."""
        return None if self.record is None else self.record.presence

    @property
    def raw(self) -> bytes:
        """Return that as it travelled; empty if it never said so."""
        return b"" if self.record is None else self.record.raw


class _Crowd:
    """Who can run one thing: all that are live, and some that were until lately.

    Whoever is listed is also filed, once, under a second in which its time may run out, not later
    than it does: so nobody else needs to be looked at then.

    Attributes:
        authors: In the order they came.
        until_ms: Before this moment nobody's time runs out.
    """

    __slots__ = ("_ends", "_filed", "_seconds", "authors", "until_ms")

    def __init__(self) -> None:
        self.authors: dict[PublicKey, Heard] = {}
        self.until_ms = _NEVER_MS
        self._filed: dict[PublicKey, int] = {}  # the second of each author
        self._ends: dict[int, dict[PublicKey, None]] = {}  # the authors of each second
        self._seconds: list[int] = []  # a heap of the keys of `_ends`

    def __len__(self) -> int:
        return sum(map(len, self._ends.values()))

    def take(self, author: PublicKey, known: Heard) -> None:
        """List an author, be it for the first time or with another end of its time."""
        self.authors[author] = known
        filed = self._filed.get(author)
        if filed is None or known.until_ms // _SECOND_MS < filed:
            self._refile(author, known.until_ms // _SECOND_MS)
        self.until_ms = min(self.until_ms, known.until_ms)

    def leave(self, author: PublicKey) -> None:
        """Strike an author off, if it is listed."""
        if self.authors.pop(author, None) is not None:
            del self._ends[self._filed.pop(author)][author]

    def sweep(self, now_ms: int) -> None:
        """Let those go whose time has run out."""
        again: list[tuple[PublicKey, int]] = []
        while self._seconds and self._seconds[0] <= now_ms // _SECOND_MS:
            for author in self._ends.pop(heappop(self._seconds)):
                del self._filed[author]
                until_ms = self.authors[author].until_ms
                if until_ms <= now_ms:
                    del self.authors[author]
                else:
                    again.append((author, until_ms))
        self.until_ms = _NEVER_MS
        for author, until_ms in again:
            self._refile(author, until_ms // _SECOND_MS)
            self.until_ms = min(self.until_ms, until_ms)
        if self._seconds:
            self.until_ms = min(self.until_ms, self._seconds[0] * _SECOND_MS)
        self.until_ms = max(self.until_ms, now_ms + 1)

    def _refile(self, author: PublicKey, second: int) -> None:
        before = self._filed.get(author)
        if before is not None:
            del self._ends[before][author]
        self._filed[author] = second
        filed = self._ends.get(second)
        if filed is None:
            self._ends[second] = {author: None}
            heappush(self._seconds, second)
        else:
            filed[author] = None


def _everybody(author: PublicKey) -> object:
    return author


class Presences:
    """All authors heard of, at most `authors_max`; whoever is gone makes room.

    So does, in a full table, who has nothing in the log: keys are free, records are paced and kept.
    Of those the one heard longest ago goes first, so that no flood of them keeps out who has
    records, nor a newcomer for ever.

    The moments it is told must never go back.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._heard: dict[PublicKey, Heard] = {}
        self._wordless: OrderedDict[PublicKey, None] = OrderedDict()  # who sent no presence yet
        # Who sent one, the longest silent first, and had nothing in the log when we last looked;
        # that is not before room is needed.
        self._unproven: OrderedDict[PublicKey, None] = OrderedDict()
        self._next_unproven_ms = 0  # before this moment none of them takes the place of another
        self._full_until_ms = 0  # before this moment nobody is looked for who might make room
        self._crowds: dict[Capability, _Crowd] = {}

    def hear(
        self,
        record: Verified,
        now_ms: int,
        in_log: Callable[[PublicKey], object] = _everybody,
    ) -> bool:
        """Take in a presence; answer whether it was news.

        Args:
            record: The presence.
            now_ms: This moment.
            in_log: Returns None for an author of whom the log knows nothing.
        """
        presence, author, created_ms = record.presence, record.author, record.created_ms
        assert presence is not None, "only presences come here"
        known = self._heard.get(author)
        if known is None:
            if not self._make_room_for(author, now_ms, in_log):
                return False
            known = self._heard[author] = Heard(record, newest_ms=created_ms, heard_ms=now_ms)
            self._unproven[author] = None
        else:
            if known.record is not None and created_ms <= known.record.created_ms:
                return False
            self._wordless.pop(author, None)
            if author in self._unproven:
                self._unproven.move_to_end(author)
            known.record = record
            known.newest_ms = max(known.newest_ms, created_ms)
            known.heard_ms = now_ms
        known.until_ms = now_ms + presence.ttl_ms
        self._sort_in(author, known, presence, now_ms)
        return True

    def is_news(self, record: Record) -> bool:
        """Answer whether a presence is later than the last one of its author."""
        known = self._heard.get(record.author)
        return known is None or known.record is None or record.created_ms > known.record.created_ms

    def renew(self, author: PublicKey, created_ms: int, now_ms: int) -> bool:
        """Let a gossiped record prove that its author is here; answer whether it was not live."""
        known = self._heard.get(author)
        if known is not None and created_ms <= known.newest_ms:
            return False
        self._unproven.pop(author, None)
        if known is None:
            if len(self._wordless) >= max(1, self._settings.authors_max // WORDLESS_SHARE):
                self._forget_wordless()
            if not self._make_room(now_ms):
                return False
            known = self._heard[author] = Heard(None, newest_ms=created_ms, heard_ms=now_ms)
            self._wordless[author] = None
        was_live = known.until_ms > now_ms
        presence = known.presence
        ttl_ms = self._settings.renewal_ms
        if presence is not None and presence.ttl_ms > 0:
            ttl_ms = presence.ttl_ms
        known.newest_ms = created_ms
        known.heard_ms = now_ms
        known.until_ms = max(known.until_ms, now_ms + ttl_ms)
        if presence is not None:
            self._sort_in(author, known, presence, now_ms)
        return not was_live

    def is_live(self, author: PublicKey, now_ms: int) -> bool:
        """Answer whether an author counts as here."""
        known = self._heard.get(author)
        return known is not None and known.until_ms > now_ms

    def has_spoken(self, author: PublicKey) -> bool:
        """Answer whether an author ever said that it is here, and is remembered."""
        return author in self._heard and author not in self._wordless

    def capable(self, capability: Capability, now_ms: int) -> list[PublicKey]:
        """Return the live authors that can run this, in no particular order."""
        return list(self.crowd(capability, now_ms))

    def crowd(self, capability: Capability, now_ms: int) -> Mapping[PublicKey, Heard]:
        """Return the same authors without a copy; good until something else is heard."""
        crowd = self._crowds.get(capability)
        if crowd is None:
            crowd = self._gather(capability)
        if crowd.until_ms <= now_ms:
            crowd.sweep(now_ms)
        return crowd.authors

    def find(self, author: PublicKey) -> Heard | None:
        """Return what is known of an author."""
        return self._heard.get(author)

    def live(self, now_ms: int) -> dict[PublicKey, Heard]:
        """Return every live author that sent a presence."""
        return {
            author: known
            for author, known in self._heard.items()
            if known.until_ms > now_ms and known.record is not None
        }

    def count_live(self, now_ms: int) -> int:
        """Return how many live authors sent a presence."""
        heard = self._heard.values()
        return sum([known.until_ms > now_ms and known.record is not None for known in heard])

    def _gather(self, capability: Capability) -> _Crowd:
        """Begin to list those who can run something."""
        if len(self._crowds) >= CROWDS_MAX:
            del self._crowds[next(iter(self._crowds))]
        crowd = self._crowds[capability] = _Crowd()
        for author, known in self._heard.items():
            if known.presence is not None and capability in known.presence.capabilities:
                crowd.take(author, known)
        return crowd

    def _sort_in(self, author: PublicKey, known: Heard, presence: Presence, now_ms: int) -> None:
        """List an author with those who can run what it can."""
        for capability, crowd in self._crowds.items():
            if capability in presence.capabilities:
                crowd.take(author, known)
            else:
                crowd.leave(author)
            if crowd.until_ms <= now_ms - SWEPT_WITHIN_MS:
                crowd.sweep(now_ms)

    def _forget(self, author: PublicKey) -> None:
        del self._heard[author]
        self._unproven.pop(author, None)
        for crowd in self._crowds.values():
            crowd.leave(author)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return how many authors are remembered and listed, and how many may be."""
        most = self._settings.authors_max
        listed = sum(len(crowd) for crowd in self._crowds.values())
        return {"authors": (len(self._heard), most), "listed authors": (listed, CROWDS_MAX * most)}

    def _forget_wordless(self) -> None:
        author, _ = self._wordless.popitem(last=False)
        del self._heard[author]

    def _make_room_for(
        self, author: PublicKey, now_ms: int, in_log: Callable[[PublicKey], object]
    ) -> bool:
        """Find a place for who says that it is here; answer whether there is one."""
        most = self._settings.authors_max
        share = max(1, most // UNPROVEN_SHARE)
        if len(self._heard) < most:
            return True
        if in_log(author) is not None:
            return (
                self._forget_unproven(share, in_log)
                or self._make_room(now_ms)
                or self._forget_unproven(0, in_log)
            )
        if now_ms < self._next_unproven_ms:
            return False
        self._next_unproven_ms = now_ms + UNPROVEN_EVERY_MS
        return self._forget_unproven(share - 1, in_log) or self._make_room(now_ms)

    def _forget_unproven(self, kept: int, in_log: Callable[[PublicKey], object]) -> bool:
        """Forget the longest silent of more than `kept` who have nothing in the log."""
        while len(self._unproven) > kept:
            author, _ = self._unproven.popitem(last=False)
            if in_log(author) is None:
                self._forget(author)
                return True
        return False

    def _make_room(self, now_ms: int) -> bool:
        """Forget the longest silent of those who are gone; answer whether there is room now.

        Nobody who said that it is here, and is, makes way for one who never did: whoever makes up
        keys would drive the others out.
        """
        if len(self._heard) < self._settings.authors_max:
            return True
        if self._wordless:
            self._forget_wordless()
            return True
        if now_ms < self._full_until_ms:
            return False
        forget_before = now_ms - self._settings.author_memory_ms
        for key in [k for k, known in self._heard.items() if known.heard_ms < forget_before]:
            self._forget(key)
        if len(self._heard) < self._settings.authors_max:
            return True
        gone = [k for k, known in self._heard.items() if known.until_ms <= now_ms]
        if not gone:
            self._full_until_ms = now_ms + _SECOND_MS
            return False
        self._forget(min(gone, key=lambda k: self._heard[k].heard_ms))
        return True

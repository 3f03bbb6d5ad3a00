"""Who is here: the last word of every author about itself, for as long as it counts."""

from dataclasses import dataclass

from node.core.settings import Settings
from protocol.ids import PublicKey
from protocol.record import Verified
from protocol.statements import Capability, Presence


@dataclass(slots=True)
class Heard:
    """What we know of one author.

    Attributes:
        presence: Its last presence; None if only records were heard.
        raw: That presence as it travelled.
        presence_ms: When it said so, by its own clock; a later one replaces it.
        newest_ms: The newest date on anything it wrote.
        until_ms: Until when it counts as live, by our monotonic clock.
        heard_ms: When we last heard of it, by our monotonic clock.
    """

    presence: Presence | None
    raw: bytes
    presence_ms: int
    newest_ms: int
    until_ms: int
    heard_ms: int


class Presences:
    """All authors heard of, at most `authors_max`; whoever is gone makes room."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._heard: dict[PublicKey, Heard] = {}

    def hear(self, record: Verified, now_ms: int) -> bool:
        """Take in a presence; answer whether it was news."""
        presence = record.presence
        assert presence is not None, "only presences come here"
        if not self.is_news(record) or not self._make_room(record.author, now_ms):
            return False
        known = self._heard.get(record.author)
        newest = max(record.created_ms, known.newest_ms if known else 0)
        self._heard[record.author] = Heard(
            presence, record.raw, record.created_ms, newest, now_ms + presence.ttl_ms, now_ms
        )
        return True

    def is_news(self, record: Verified) -> bool:
        """Answer whether a presence is later than the last one of its author."""
        known = self._heard.get(record.author)
        return known is None or record.created_ms > known.presence_ms

    def renew(self, author: PublicKey, created_ms: int, now_ms: int) -> bool:
        """Let a gossiped record prove that its author is here; answer whether it was not live."""
        known = self._heard.get(author)
        if known is not None and created_ms <= known.newest_ms:
            return False
        was_live = self.is_live(author, now_ms)
        if known is None:
            if not self._make_room(author, now_ms):
                return False
            known = Heard(None, b"", -1, created_ms, 0, now_ms)
            self._heard[author] = known
        ttl_ms = self._settings.renewal_ms
        if known.presence is not None and known.presence.ttl_ms > 0:
            ttl_ms = known.presence.ttl_ms
        known.newest_ms = created_ms
        known.heard_ms = now_ms
        known.until_ms = max(known.until_ms, now_ms + ttl_ms)
        return not was_live

    def is_live(self, author: PublicKey, now_ms: int) -> bool:
        """Answer whether an author counts as here."""
        known = self._heard.get(author)
        return known is not None and known.until_ms > now_ms

    def capable(self, capability: Capability, now_ms: int) -> list[PublicKey]:
        """Return the live authors that can run this, in no particular order."""
        return [
            author
            for author, known in self._heard.items()
            if known.until_ms > now_ms
            and known.presence is not None
            and capability in known.presence.capabilities
        ]

    def find(self, author: PublicKey) -> Heard | None:
        """Return what is known of an author."""
        return self._heard.get(author)

    def live(self, now_ms: int) -> dict[PublicKey, Heard]:
        """Return every live author that sent a presence."""
        return {
            author: known
            for author, known in self._heard.items()
            if known.until_ms > now_ms and known.presence is not None
        }

    def _make_room(self, author: PublicKey, now_ms: int) -> bool:
        """Forget the longest silent of those who are gone; answer whether there is room now.

        Nobody who is here makes way: whoever makes up keys would drive the others out.
        """
        if author in self._heard or len(self._heard) < self._settings.authors_max:
            return True
        forget_before = now_ms - self._settings.author_memory_ms
        for key in [k for k, known in self._heard.items() if known.heard_ms < forget_before]:
            del self._heard[key]
        if len(self._heard) < self._settings.authors_max:
            return True
        gone = [k for k, known in self._heard.items() if known.until_ms <= now_ms]
        if not gone:
            return False
        del self._heard[min(gone, key=lambda k: self._heard[k].heard_ms)]
        return True

"""The door: does a checked record enter our log, and is it passed on?

It reads the record, the join rule and our own pace, never what other records mean, so that every
node keeps the same set. What is wrong from the bytes alone was refused before it came here.
"""

from collections import OrderedDict
from collections.abc import Sequence
from enum import Enum

from consensus.incremental import kept_of, would_keep
from node.core.pace import KEYS_MAX, Buckets
from node.core.settings import Settings
from node.core.turn import Turn
from protocol.ids import PeerId, PublicKey, TaskId
from protocol.params import Network
from protocol.record import Verified

# Two juries prove a double-signer; more need not travel. Slots remembered are a bound, not a rule.
JURIES_RELAYED_MAX = 2
SLOTS_REMEMBERED_MAX = 4_096
# An honest node speaks at most once a second, and seldom so.
PRESENCES_PER_AUTHOR_PER_S = 2
PRESENCES_PER_AUTHOR_BURST = 16


class Entry(Enum):
    """What becomes of a record."""

    RELAY = "relay"  # stored, and passed on
    STORE = "store"  # stored, not passed on
    IGNORE = "ignore"  # neither; nobody is to blame


class Door:
    """Decides record by record; remembers only how fast strangers are.

    Attributes:
        paced: How many messages of which kind came faster than is relayed.
    """

    def __init__(self, *, network: Network, settings: Settings) -> None:
        self._network = network
        self._settings = settings
        self._authors = Buckets(per_s=settings.gossip_per_author_per_s, burst=settings.gossip_burst)
        self._senders = Buckets(
            per_s=settings.gossip_per_author_per_s * 4, burst=settings.gossip_burst * 4
        )
        # All whom we do not know may say as much, by one peer, as one whom we know: keys are free,
        # and a flood of new ones must take no room from those who work here.
        self._strangers = Buckets(
            per_s=settings.gossip_per_author_per_s, burst=settings.gossip_burst * 4
        )
        self._presences = Buckets(
            per_s=settings.presences_per_sender_per_s, burst=settings.presences_burst
        )
        self._speakers = Buckets(per_s=PRESENCES_PER_AUTHOR_PER_S, burst=PRESENCES_PER_AUTHOR_BURST)
        self._relayed: OrderedDict[tuple[PublicKey, TaskId], set[bytes]] = OrderedDict()
        self.paced = {"records": 0, "presences": 0}

    def is_within_pace(
        self, turn: Turn, author: PublicKey, sender: PeerId, *, is_known: bool
    ) -> bool:
        """Take a token for one gossip message; without one it is left to sync to bring it.

        Args:
            turn: What is going on.
            author: Who wrote the records.
            sender: The peer that passed them on.
            is_known: Whether the author ever said that it is here.
        """
        by_author = self._authors.take(author, turn.now.ms)
        senders = self._senders if is_known else self._strangers
        return self._counted("records", senders.take(sender, turn.now.ms) and by_author)

    def is_presence_within_pace(
        self, turn: Turn, author: PublicKey, sender: PeerId, *, is_known: bool
    ) -> bool:
        """Take a token for one presence, gossiped or exchanged; apart from those for records.

        Who was never heard of cannot have spoken too often; most of a crowd that starts is that.
        """
        by_sender = self._presences.take(sender, turn.now.ms)
        by_author = not is_known or self._speakers.take(author, turn.now.ms)
        return self._counted("presences", by_author and by_sender)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return how full each table is, and how full it may be."""
        return {
            "jury slots": (len(self._relayed), SLOTS_REMEMBERED_MAX),
            "authors paced": (len(self._authors), KEYS_MAX),
            "senders paced": (len(self._senders), KEYS_MAX),
            "speakers paced": (len(self._speakers), KEYS_MAX),
            "strangers paced": (len(self._strangers), KEYS_MAX),
        }

    def _counted(self, kind: str, is_within: bool) -> bool:
        self.paced[kind] += not is_within
        return is_within

    def admit_all(self, turn: Turn, records: Sequence[Verified]) -> tuple[list[Verified], bool]:
        """Return which records are to be stored, and whether any of them is passed on."""
        news: list[Verified] = []
        is_relayed = False
        for record in records:
            entry = self.admit(turn, record)
            if entry is not Entry.IGNORE:
                news.append(record)
                is_relayed = is_relayed or entry is Entry.RELAY
        return news, is_relayed

    def admit(self, turn: Turn, record: Verified) -> Entry:
        """Say what becomes of a record whose bytes and signature are right."""
        if not would_keep(turn.rows, record, self._network):
            return Entry.IGNORE
        if record.created_ms > turn.now.wall_ms + self._settings.clock_skew_ms:
            return Entry.STORE
        jury = record.jury
        if jury is not None:
            slot = (record.author, jury.task_id)
            relayed = self._relayed.setdefault(slot, set())
            self._relayed.move_to_end(slot)
            if len(self._relayed) > SLOTS_REMEMBERED_MAX:
                self._relayed.popitem(last=False)
            digest = kept_of(record, jury).digest
            # One jury in many records, each of which displaces the last, proves nothing either.
            if digest in relayed or len(relayed) >= JURIES_RELAYED_MAX:
                return Entry.STORE
            relayed.add(digest)
        return Entry.RELAY

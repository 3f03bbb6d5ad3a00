"""What travels by gossip: opened once for all who hear it, however many they are."""

from array import array
from collections.abc import Callable
from functools import lru_cache

from node.core.effects import Channel
from node.core.events import PresencesHeard, Received, Token, Via
from protocol.errors import ProtocolError
from protocol.gossip import unpack_gossip
from protocol.ids import PeerId, RecordId
from protocol.params import Network
from protocol.record import Verified, open_record

NEVER = 2**32 - 1  # later than any run
SEEN_MS = 120_000  # a mesh passes the same bytes on once in so long
OPENED_REMEMBERED_MAX = 1 << 17

_ANY = Token(0)  # a host waits for one word at a time

Opener = Callable[[bytes], Verified]


def opener(network: Network) -> Opener:
    """Return what opens and checks a record; the verdict on a signature is remembered by bytes."""

    @lru_cache(maxsize=OPENED_REMEMBERED_MAX)
    def opened(raw: bytes) -> Verified:
        return open_record(raw, network)

    return opened


class Message:
    """One gossip message on its way through the network.

    Attributes:
        serial: Its number, in order of publication.
        channel: On which topic.
        data: As it travels.
        records: What it says; empty if it is refused.
        record_ids: Of these.
        refused: Why nobody takes it; empty if it is right.
        due: For each host when it comes there, or came, in virtual ms; `NEVER` before it is sent.
        heard: What a neighbour's copy says, as an event; kept for all to whom it passes it on.
        until_ms: When meshes forget that they saw it.
    """

    __slots__ = (
        "channel",
        "data",
        "due",
        "heard",
        "record_ids",
        "records",
        "refused",
        "serial",
        "until_ms",
    )

    def __init__(
        self, serial: int, channel: Channel, data: bytes, *, hosts: int, until_ms: int
    ) -> None:
        self.serial = serial
        self.channel = channel
        self.data = data
        self.records: tuple[Verified, ...] = ()
        self.record_ids: tuple[RecordId, ...] = ()
        self.refused = ""
        self.due = array("I", [NEVER]) * hosts
        self.heard: tuple[int, Received | PresencesHeard] | None = None
        self.until_ms = until_ms

    def open(self, opened: Opener) -> None:
        """Look at every record as the door of a node does, or say why it is refused."""
        try:
            records = tuple([opened(raw) for raw in unpack_gossip(self.data)])
        except ProtocolError as error:
            self.refused = str(error) or type(error).__name__
            return
        wanted = self.channel is Channel.PRESENCE
        if any((record.presence is not None) != wanted for record in records):
            self.refused = "on the wrong topic"
        elif any(record.author != records[0].author for record in records):
            self.refused = "records of more than one author"
        else:
            self.records = records
            self.record_ids = tuple([record.record_id for record in records])

    def event(self, sender: int, peer_id: PeerId) -> Received | PresencesHeard:
        """Return what is told to a machine that has it from this neighbour."""
        if self.heard is not None and self.heard[0] == sender:
            return self.heard[1]
        event: Received | PresencesHeard
        if self.channel is Channel.PRESENCE:
            event = PresencesHeard(self.records, peer_id, _ANY)
        else:
            event = Received(self.records, Via.GOSSIP, peer_id, _ANY)
        self.heard = (sender, event)
        return event

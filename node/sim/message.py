"""What travels by gossip: opened once for all who hear it, however many they are."""

from collections.abc import Callable
from functools import lru_cache

from node.core.effects import Channel
from protocol.errors import ProtocolError
from protocol.gossip import unpack_gossip
from protocol.ids import RecordId
from protocol.params import Network
from protocol.record import Verified, open_record

SEEN_MS = 120_000  # a mesh passes the same bytes on once in so long
OPENED_REMEMBERED_MAX = 1 << 17

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
        seen: One byte a host: whether it has come there.
        until_ms: When meshes forget that they saw it.
    """

    __slots__ = (
        "channel",
        "data",
        "record_ids",
        "records",
        "refused",
        "seen",
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
        self.seen = bytearray(hosts)
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

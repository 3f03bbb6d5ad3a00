"""One gossip message: some records of one author in one frame."""

from collections.abc import Sequence

from protocol.canonical import Reader, pack, read_exactly
from protocol.errors import Malformed
from protocol.ids import sha256
from protocol.params import GOSSIP_BYTES_MAX, GOSSIP_RECORDS_MAX


def pack_gossip(records: Sequence[bytes]) -> bytes:
    """Put packed records of one author into one message; the caller keeps to the limits."""
    return pack(list(records))


def unpack_gossip(data: bytes) -> list[bytes]:
    """Take a message apart; the records themselves are not opened.

    Raises:
        Malformed: Not 1 to 64 byte strings in canonical form, or more than 60,000 bytes.
    """
    if len(data) > GOSSIP_BYTES_MAX:
        raise Malformed(f"gossip: {len(data)} bytes, at most {GOSSIP_BYTES_MAX}")
    return read_exactly(data, _read, pack)


def message_id(topic: str, data: bytes) -> bytes:
    """Name a message by where and what it says, so that a forged copy cannot stand for it.

    The topic is part of it: else whoever says it first on the wrong one, where it is refused, would
    keep it from being heard on the right one.
    """
    return sha256(topic.encode(), b"\0", data)


def _read(reader: Reader) -> list[bytes]:
    count = reader.array("gossip", 1, GOSSIP_RECORDS_MAX)
    return [reader.blob("record", 1, GOSSIP_BYTES_MAX) for _ in range(count)]

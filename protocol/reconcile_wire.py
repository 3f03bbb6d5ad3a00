"""How two nodes write down what they compare: the messages of the Negentropy protocol, version 1.

Source: "Negentropy Protocol V1", docs/negentropy-protocol-v1.md of
https://github.com/hoytech/negentropy.

A message is a version byte, then ranges in ascending order: upper bound, mode, payload. The lower
bound is the upper one of the range before; what follows the last range is not discussed.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from protocol.errors import Malformed

VERSION: Final = 0x61  # version 1; 0x62 would be version 2
VERSION_MIN: Final = 0x60
VERSION_MAX: Final = 0x6F
ID_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 16
UINT64_MAX: Final = 2**64 - 1
_VARINT_BYTES_MAX: Final = 10  # 64 bits, seven a byte
_CONTINUED: Final = 0x80


class Mode(IntEnum):
    """What the sender says about a range."""

    SKIP = 0
    FINGERPRINT = 1
    ID_LIST = 2


_MODE_MAX = max(Mode)


class Bound(NamedTuple):
    """Where a range ends, itself outside: it compares with an item as an item would.

    Attributes:
        created_ms: 0 to 2**64 - 1, which stands for the end of time.
        id_prefix: 0 to 32 bytes; what is left out counts as zero bytes.
    """

    created_ms: int
    id_prefix: bytes


START: Final = Bound(0, b"")
INFINITY: Final = Bound(UINT64_MAX, b"")


class Range(NamedTuple):
    """One range as it was read.

    Attributes:
        upper: Where it ends.
        mode: What is said about it.
        payload: Nothing, a fingerprint, or ids one after the other.
    """

    upper: Bound
    mode: Mode
    payload: bytes


def varint(number: int) -> bytes:
    """Encode 0 or more in digits of seven bits, most significant first, as few as possible.

    >>> varint(300).hex()
    '822c'
    """
    digits = bytearray([number & 0x7F])
    while number := number >> 7:
        digits.append(_CONTINUED | number & 0x7F)
    digits.reverse()
    return bytes(digits)


def read_message(message: bytes, *, ranges_max: int) -> list[Range]:
    """Read a message of this version, all of it or nothing.

    Raises:
        Malformed: It is cut short, not ascending, of too many ranges, or has a number with more
            digits than it needs.
    """
    reader = _Reader(message)
    if reader.take(1, "version")[0] != VERSION:
        raise Malformed(f"version: 0x{message[0]:02x}, need 0x{VERSION:02x}")
    ranges: list[Range] = []
    while not reader.is_done:
        if len(ranges) == ranges_max:
            raise Malformed(f"ranges: more than {ranges_max}")
        ranges.append(reader.range())
    return ranges


def ids_in(payload: bytes) -> list[bytes]:
    """Return the ids of an id list, in the order they came, repetitions and all."""
    return [payload[at : at + ID_BYTES] for at in range(0, len(payload), ID_BYTES)]


class _Reader:
    """Reads a message from its first byte to its last; every method raises `Malformed`."""

    __slots__ = ("_at", "_message", "_previous")

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._at = 0
        self._previous = START

    @property
    def is_done(self) -> bool:
        return self._at == len(self._message)

    def take(self, count: int, what: str) -> bytes:
        left = len(self._message) - self._at
        if count > left:
            raise Malformed(f"{what}: {left} bytes left, need {count}")
        self._at += count
        return self._message[self._at - count : self._at]

    def range(self) -> Range:
        upper = self._bound()
        mode = self._varint("mode")
        if mode > _MODE_MAX:
            raise Malformed(f"mode: {mode}, need 0 to {int(_MODE_MAX)}")
        if mode == Mode.SKIP:
            return Range(upper, Mode.SKIP, b"")
        if mode == Mode.FINGERPRINT:
            return Range(upper, Mode.FINGERPRINT, self.take(FINGERPRINT_BYTES, "fingerprint"))
        return Range(upper, Mode.ID_LIST, self.take(self._varint("ids") * ID_BYTES, "ids"))

    def _varint(self, what: str) -> int:
        number = 0
        for count in range(_VARINT_BYTES_MAX):
            digit = self.take(1, what)[0]
            if count == 0 and digit == _CONTINUED:
                raise Malformed(f"{what}: a leading zero digit")
            number = number << 7 | digit & 0x7F
            if digit < _CONTINUED:
                break
        if digit >= _CONTINUED or number > UINT64_MAX:
            raise Malformed(f"{what}: need at most 64 bits")
        return number

    def _bound(self) -> Bound:
        """Read a bound that is not below the one before; responders may repeat the last one."""
        offset = self._varint("timestamp")
        length = self._varint("id prefix")
        if length > ID_BYTES:
            raise Malformed(f"id prefix: {length} bytes, need 0 to {ID_BYTES}")
        bound = INFINITY
        if offset == 0 and length != 0:
            raise Malformed(f"id prefix: {length} bytes behind the end of time")
        if offset != 0:
            created_ms = self._previous.created_ms + offset - 1
            if created_ms >= UINT64_MAX:
                raise Malformed(f"timestamp: {created_ms}, need less than {UINT64_MAX}")
            bound = Bound(created_ms, self.take(length, "id prefix"))
        if _padded(bound) < _padded(self._previous):
            raise Malformed(f"id prefix: {bound.id_prefix.hex()} is below the range before")
        self._previous = bound
        return bound


class Writer:
    """Writes a message range by range; `cut` takes back the last of them."""

    __slots__ = ("_created_ms", "_message")

    def __init__(self) -> None:
        self._message = bytearray([VERSION])
        self._created_ms = 0

    def __len__(self) -> int:
        return len(self._message)

    def skip(self, upper: Bound) -> None:
        """Say nothing up to a bound."""
        self._head(upper, Mode.SKIP)

    def fingerprint(self, upper: Bound, fingerprint: bytes) -> None:
        """Say what all our ids up to a bound come to."""
        self._head(upper, Mode.FINGERPRINT)
        self._message += fingerprint

    def ids(self, upper: Bound, ids: list[bytes]) -> None:
        """List all our ids up to a bound."""
        self._head(upper, Mode.ID_LIST)
        self._message += varint(len(ids))
        self._message += b"".join(ids)

    def cut(self, length: int) -> None:
        """Take back all but the first bytes; only INFINITY may be written after."""
        del self._message[length:]

    def message(self) -> bytes:
        """Return what was written."""
        return bytes(self._message)

    def _head(self, upper: Bound, mode: Mode) -> None:
        offset = 0 if upper == INFINITY else upper.created_ms - self._created_ms + 1
        self._created_ms = upper.created_ms
        self._message += varint(offset)
        self._message += varint(len(upper.id_prefix))
        self._message += upper.id_prefix
        self._message += varint(mode)


def _padded(bound: Bound) -> tuple[int, bytes]:
    return bound.created_ms, bound.id_prefix.ljust(ID_BYTES, b"\0")

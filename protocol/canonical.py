"""One value, one encoding: the part of msgpack that may stand in a record.

Reading is led by the expected form: array headers are read without building what they announce,
so a bomb of nested arrays costs its sender more than it costs us. Whether the bytes were the one
canonical encoding is settled by whoever packs what was read again; `read_exactly` does.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgpack

from protocol.errors import Malformed

T = TypeVar("T")

_READ_ERRORS = (ValueError, msgpack.UnpackException, UnicodeDecodeError, OverflowError)
# One packer for all: making one costs as much as packing a statement. It holds the interpreter lock
# from its first byte to its last, and begins anew after an error, so threads can share it.
_PACKER = msgpack.Packer(use_bin_type=True)


def pack(value: Any) -> bytes:
    """Encode nested lists of integers, text and bytes in their one canonical form."""
    packed: bytes = _PACKER.pack(value)
    return packed


class Reader:
    """Reads one packed value, field by field, each against its limits.

    Every method raises `Malformed` when the next value is not what was asked for.
    """

    __slots__ = ("_header", "_next")

    def __init__(self, data: bytes) -> None:
        unpacker = msgpack.Unpacker(
            raw=False,
            strict_map_key=True,
            max_buffer_size=max(len(data), 1),
            max_array_len=0,  # nested values are read header by header, never built
            max_map_len=0,
            max_ext_len=0,
        )
        unpacker.feed(data)
        self._header: Callable[[], int] = unpacker.read_array_header
        self._next: Callable[[], object] = unpacker.unpack

    def array(self, what: str, least: int, most: int) -> int:
        """Read an array header and return how many items follow, `least` to `most`."""
        try:
            count = self._header()
        except _READ_ERRORS as error:
            raise Malformed(f"{what}: not an array") from error
        if not least <= count <= most:
            raise Malformed(f"{what}: {count} items, need {least} to {most}")
        return count

    def uint(self, what: str, most: int) -> int:
        """Read an integer, 0 to `most`."""
        try:
            value = self._next()
        except _READ_ERRORS as error:
            raise _unreadable(what, error) from error
        if type(value) is not int or not 0 <= value <= most:
            raise Malformed(f"{what}: {_show(value)}, need an integer from 0 to {most}")
        return value

    def blob(self, what: str, least: int, most: int) -> bytes:
        """Read bytes, `least` to `most` of them."""
        try:
            value = self._next()
        except _READ_ERRORS as error:
            raise _unreadable(what, error) from error
        if type(value) is not bytes:
            raise Malformed(f"{what}: {_show(value)}, need bytes")
        if not least <= len(value) <= most:
            raise Malformed(f"{what}: {len(value)} bytes, need {least} to {most}")
        return value

    def blob32(self, what: str) -> bytes:
        """Read 32 bytes: an id, a key, a hash or a salt, the most common of all fields."""
        try:
            value = self._next()
        except _READ_ERRORS as error:
            raise _unreadable(what, error) from error
        if type(value) is not bytes or len(value) != 32:
            raise Malformed(f"{what}: {_show(value)}, need 32 bytes")
        return value

    def text(self, what: str, least: int, most: int) -> str:
        """Read text, `least` to `most` bytes of UTF-8."""
        try:
            value = self._next()
        except _READ_ERRORS as error:
            raise _unreadable(what, error) from error
        if type(value) is not str:
            raise Malformed(f"{what}: {_show(value)}, need text")
        if not least <= len(value.encode()) <= most:
            raise Malformed(f"{what}: {len(value.encode())} bytes, need {least} to {most}")
        return value


def read_exactly(data: bytes, read: Callable[[Reader], T], again: Callable[[T], bytes]) -> T:
    """Read one value and insist that `data` is its canonical encoding, no byte more.

    Args:
        data: The packed bytes, their size already checked.
        read: Reads the value.
        again: Packs the value that was read.

    Raises:
        Malformed: Unreadable, outside a limit, or another encoding of the same value.
    """
    value = read(Reader(data))
    if again(value) != data:
        raise Malformed("not the canonical encoding")
    return value


def _unreadable(what: str, error: Exception) -> Malformed:
    return Malformed(f"{what}: not readable ({type(error).__name__})")


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."

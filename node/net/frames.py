"""Reads a pubsub frame, unless its parser would take far more memory than the frame has bytes."""

from typing import TypeAlias

from google.protobuf.descriptor import Descriptor
from libp2p.pubsub.pb import rpc_pb2

# The parser takes up to 115 bytes for a field of two: 15 MiB for a frame of 256 KiB that names
# nothing. The smallest fields that a correct peer sends by the thousand are ids, of 34 bytes each.
FIELD_BYTES_MIN = 32  # on average, beside a few small ones
SMALL_FIELDS_MAX = 512
COUNTED_FROM_BYTES = 16 * 1024  # a smaller frame makes less than a MiB, whatever is in it
NUMBER_BYTES_MAX = 10

Parts: TypeAlias = "dict[int, Parts]"  # of a message: which fields are messages themselves


class BadFrame(Exception):
    """A pubsub frame that no correct peer sends."""


def read_frame(frame: bytes) -> rpc_pb2.RPC:
    """Return what a frame says.

    Raises:
        BadFrame: It has more fields than any correct peer has to send, or ends early.
        google.protobuf.message.DecodeError: It is not of the form that it should have.
    """
    if len(frame) > COUNTED_FROM_BYTES:
        fields_max = SMALL_FIELDS_MAX + len(frame) // FIELD_BYTES_MIN
        try:
            _count(frame, 0, len(frame), PARTS, fields_max)
        except IndexError as error:
            raise BadFrame("it ends within a number") from error
    rpc = rpc_pb2.RPC()
    rpc.ParseFromString(frame)
    return rpc


def _count(frame: bytes, at: int, end: int, parts: Parts, room: int) -> int:
    """Return how many more fields there may be after those between two places."""
    while at < end:
        room -= 1
        if room < 0:
            raise BadFrame(f"{len(frame)} bytes in more fields than any correct peer sends")
        tag, at = _number(frame, at)
        match tag & 7:
            case 2:
                size, at = _number(frame, at)
                inner = parts.get(tag >> 3)
                if inner is not None:
                    room = _count(frame, at, min(at + size, end), inner, room)
                at += size
            case 0:
                _, at = _number(frame, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case kind:
                raise BadFrame(f"a field of the wire type {kind}")
    return room


def _number(frame: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    number = frame[at]
    if number < 0x80:  # nearly all are
        return number, at + 1
    number &= 0x7F
    for index in range(1, NUMBER_BYTES_MAX):
        byte = frame[at + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise BadFrame(f"a number of more than {NUMBER_BYTES_MAX} bytes")


def _parts_of(kind: Descriptor) -> Parts:
    return {
        field.number: _parts_of(field.message_type)
        for field in kind.fields
        if field.message_type is not None
    }


PARTS = _parts_of(rpc_pb2.RPC.DESCRIPTOR)

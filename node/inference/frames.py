"""The words between node and worker process: msgpack, each with its length in front."""

from typing import Any, BinaryIO

import msgpack

LENGTH_BYTES = 4
FRAME_BYTES_MAX = 16 << 20  # sixteen times the largest batch the node sends

READY = "ready"  # the worker has loaded everything
REFUSED = "refused"  # the worker cannot load, and says why
DONE = "done"  # one batch has run


class BadFrame(Exception):
    """The other end sent something that is not a frame."""


def pack_frame(value: Any) -> bytes:
    """Return a value with its length in front."""
    body: bytes = msgpack.packb(value)
    if len(body) > FRAME_BYTES_MAX:
        raise BadFrame(f"a frame of {len(body)} bytes; at most {FRAME_BYTES_MAX}")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def frame_length(head: bytes) -> int:
    """Read the length in front of a frame.

    Raises:
        BadFrame: It is larger than any frame may be.
    """
    length = int.from_bytes(head, "big")
    if length > FRAME_BYTES_MAX:
        raise BadFrame(f"a frame of {length} bytes; at most {FRAME_BYTES_MAX}")
    return length


def unpack_body(body: bytes) -> Any:
    """Return the value of a frame.

    Raises:
        BadFrame: It is not msgpack.
    """
    try:
        return msgpack.unpackb(body)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise BadFrame(f"not msgpack: {error}") from error


def read_frame(pipe: BinaryIO) -> Any:
    """Wait for a frame of a blocking pipe; raises EOFError where the pipe ends."""
    head = _read_exactly(pipe, LENGTH_BYTES)
    return unpack_body(_read_exactly(pipe, frame_length(head)))


def _read_exactly(pipe: BinaryIO, count: int) -> bytes:
    found = pipe.read(count)
    if len(found) < count:
        raise EOFError
    return found

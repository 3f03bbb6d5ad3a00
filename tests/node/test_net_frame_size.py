"""How much memory the parser of pubsub frames takes, which is not Python's own."""

import contextlib
import ctypes

import pytest
from google.protobuf.message import DecodeError
from libp2p.pubsub.pb import rpc_pb2

from node.net.frames import BadFrame, read_frame
from node.net.limits import NetLimits
from tests.loopback.intruder import framed

LIMITS = NetLimits()
FRAME_BYTES_MAX = LIMITS.rpc_taken_bytes_max
HEAP_FACTOR, HEAP_BYTES = 8, 1024 * 1024
TOPIC = "/aimarket/" + "0" * 64 + "/records"


class Allocated(ctypes.Structure):
    """What glibc tells of its memory: `struct mallinfo2`."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def allocated_bytes() -> int:
    """Return what this process has of memory, that of C included."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("not glibc 2.33 or newer: it does not tell what it gave out")
    libc.mallinfo2.restype = Allocated
    told = libc.mallinfo2()
    return int(told.uordblks + told.hblkhd)


def field(number: int, content: bytes) -> bytes:
    """Return a field that has bytes or a message."""
    return bytes([number << 3 | 2]) + framed(content)


def crowd(*path: int, size: int = FRAME_BYTES_MAX, entry: bytes = b"") -> bytes:
    """Return a frame of about so many bytes that repeats the last field of a path."""
    *outer, last = path
    inner = field(last, entry)
    frame = inner * ((size - 20) // len(inner))
    for number in reversed(outer):
        frame = field(number, frame)
    return frame


# By the numbers of the fields; each is one that can be repeated.
PATHS = {
    "subscriptions": (1,),
    "messages": (2,),
    "topics of a message": (2, 4),
    "ids one has": (3, 1, 2),
    "ids one wants": (3, 2, 1),
    "grafts": (3, 3),
    "peers of a prune": (3, 4, 2),
}


@pytest.mark.parametrize("size", [16_384, 16_400, 65_536, FRAME_BYTES_MAX])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_read_frame__takes_no_more_memory_than_eight_times_its_bytes(
    path: tuple[int, ...], size: int
) -> None:
    entries = (b"", *(field(15, bytes(length)) for length in (0, 1, 10, 30, 60)))
    frames = [crowd(*path, size=size, entry=entry) for entry in entries]

    read = 0
    for frame in frames:
        before = allocated_bytes()
        with contextlib.suppress(BadFrame, DecodeError):
            rpc = read_frame(frame)
            taken = allocated_bytes() - before
            read += 1
            assert taken <= HEAP_FACTOR * len(frame) + HEAP_BYTES, (len(frame), taken)
            del rpc

    assert read > 0, "nothing was measured"


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_read_frame__refuses_a_crowd_of_empty_fields(path: tuple[int, ...]) -> None:
    frame = crowd(*path)

    with pytest.raises(BadFrame, match="more fields"):
        read_frame(frame)


def test_read_frame__takes_the_fullest_that_a_correct_peer_sends() -> None:
    ids = [number.to_bytes(32, "big") for number in range(7_700)]
    have = rpc_pb2.ControlIHave(topicID=TOPIC, messageIDs=ids)
    large, small = (
        [rpc_pb2.Message(data=bytes(size), topicIDs=[TOPIC]) for _ in range(count)]
        for size, count in ((LIMITS.message_bytes_max, 4), (500, LIMITS.rpc_messages_max))
    )
    follow = [
        rpc_pb2.RPC.SubOpts(subscribe=True, topicid=f"{number}" * 100)
        for number in range(LIMITS.rpc_controls_max)
    ]
    fullest = [
        rpc_pb2.RPC(control=rpc_pb2.ControlMessage(ihave=[have])),
        rpc_pb2.RPC(publish=large),
        rpc_pb2.RPC(publish=small, subscriptions=follow),
    ]

    for rpc in fullest:
        frame = rpc.SerializeToString()
        assert 16_384 < len(frame) <= FRAME_BYTES_MAX
        assert read_frame(frame) == rpc


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff" * FRAME_BYTES_MAX,  # a number without end
        bytes([2 << 3 | 2]) + b"\xff" * FRAME_BYTES_MAX,
        field(2, bytes(FRAME_BYTES_MAX - 10)) + b"\x80",  # it ends within a number
        field(2, bytes(FRAME_BYTES_MAX - 10)) + b"\x12",
        field(15, bytes(FRAME_BYTES_MAX - 10)) + b"\x3b\x3c",  # a group
    ],
    ids=["endless", "endless length", "half a tag", "no length", "group"],
)
def test_read_frame__refuses_what_is_no_frame(frame: bytes) -> None:
    with pytest.raises((BadFrame, DecodeError)):
        read_frame(frame)

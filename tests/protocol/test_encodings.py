"""Bytes made to hurt: refused soon, for little memory, and for one reason only."""

import struct
import time
import tracemalloc
from collections.abc import Callable

import pytest

from protocol.canonical import pack
from protocol.errors import Malformed
from protocol.gossip import unpack_gossip
from protocol.record import RECORD_DOMAIN, decode_record
from protocol.schema import fields_of
from tests.builders import NETWORK, a_commit, a_record, a_task, id_of, signer

SIZE = NETWORK.params.record_bytes_max
RECORD = a_record("an", *[a_commit("bo", id_of("an", a_task()), str(n)) for n in range(100)]).raw
HEAD_AT = RECORD.index(bytes([0xDC]))  # where the statements begin, as a 16-bit array
SMALL = a_record("an", a_task())
SLOWEST_S = 0.05
CONSTANT_BYTES = 128 * 1024


def bomb(unit: bytes, start: bytes = b"") -> bytes:
    return (start + unit * SIZE)[:SIZE]


BOMBS = {
    "nested arrays": bomb(b"\x91"),
    "nested maps": bomb(b"\x81"),
    "nested map keys": bomb(b"\x81\x81"),
    "empty arrays": bomb(b"\x90", b"\xdc\x7f\xf0"),
    "empty maps": bomb(b"\x80", b"\xdc\x7f\xf0"),
    "seven of nested arrays": bomb(b"\x91", b"\x97\x01"),
    "seven of empty arrays": bomb(b"\x90", b"\x97"),
    "nulls": bomb(b"\xc0", b"\xdc\x7f\xf0"),
    "announced 2^32 items": b"\xdd\xff\xff\xff\xff",
    "announced 2^32 pairs": b"\xdf\xff\xff\xff\xff",
    "announced 4 GiB of bytes": b"\xc6\xff\xff\xff\xff",
    "announced 4 GiB of text": b"\xdb\xff\xff\xff\xff",
    "announced 4 GiB of extension": b"\xc9\xff\xff\xff\xff\x01",
    "never used byte": bomb(b"\xc1"),
    "nothing": b"",
    "statements nested": (RECORD[:HEAD_AT] + b"\x91" * SIZE)[:SIZE],
    "statements empty": (RECORD[:HEAD_AT] + b"\xdc\x01\x00" + b"\x90" * SIZE)[:SIZE],
    "first field a bomb": (RECORD[:HEAD_AT] + b"\x91\x93" + b"\x91" * SIZE)[:SIZE],
    "all good but one byte more": RECORD + b"\0",
    "all good but too long": RECORD + bytes(SIZE),
    "one byte short": RECORD[:-1],
}


def cost_of(read: Callable[[], object]) -> tuple[float, int]:
    """Return the seconds and the peak of heap bytes that a refusal costs."""
    seconds = float("inf")
    for _ in range(3):  # the least of three, in CPU time: other work on this machine is not a cost
        started = time.process_time()
        with pytest.raises(Malformed):
            read()
        seconds = min(seconds, time.process_time() - started)
    tracemalloc.start()
    with pytest.raises(Malformed):
        read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


@pytest.mark.parametrize("raw", BOMBS.values(), ids=BOMBS)
def test_decode_record__refuses_bombs_cheaply(raw: bytes) -> None:
    seconds, peak = cost_of(lambda: decode_record(raw, NETWORK))

    assert seconds < SLOWEST_S
    assert peak <= 4 * len(raw) + CONSTANT_BYTES


@pytest.mark.parametrize("raw", BOMBS.values(), ids=BOMBS)
def test_unpack_gossip__refuses_bombs_cheaply(raw: bytes) -> None:
    seconds, peak = cost_of(lambda: unpack_gossip(raw))

    assert seconds < SLOWEST_S
    assert peak <= 4 * len(raw) + CONSTANT_BYTES


def packed_otherwise() -> dict[str, bytes]:
    """Encode the very same values in other ways, each one truly signed."""
    network_id, author = NETWORK.network_id, SMALL.author
    statements = pack([fields_of(a_task())])
    at = SMALL.raw.index(statements)
    created = pack(SMALL.created_ms)
    before = pack(network_id), pack(author), created, pack(0), statements

    def signed(head: bytes) -> bytes:
        return head + pack(signer("an").sign(RECORD_DOMAIN + b"\x96" + head[1:]))

    def whole(*parts: bytes) -> bytes:
        return signed(b"\x97\x01" + b"".join(parts))

    assert whole(*before) == SMALL.raw
    assert at > 0
    net, who, when, work, said = before
    return {
        "a longer array header": b"\xdc\x00\x07" + SMALL.raw[1:],
        "a longer integer": whole(net, who, when, b"\xcc\x00", said),
        "a signed integer": whole(net, who, b"\xd3" + created[1:], work, said),
        "a longer byte string": whole(b"\xc5\x00\x10" + network_id, who, when, work, said),
        "text where bytes belong": whole(b"\xb0" + bytes(16), who, when, work, said),
        "a longer text": whole(net, who, when, work, said.replace(b"\xa9sent", b"\xd9\x09sent")),
        "a longer statement header": whole(net, who, when, work, b"\xdc\x00\x01" + said[1:]),
        "a float": whole(net, who, b"\xcb" + struct.pack(">d", SMALL.created_ms), work, said),
        "NaN": whole(net, who, b"\xcb" + struct.pack(">d", float("nan")), work, said),
        "infinity": whole(net, who, b"\xca" + struct.pack(">f", float("inf")), work, said),
        "a timestamp": whole(net, who, b"\xd6\xff" + bytes(4), work, said),
        "an extension": whole(b"\xd8\x01" + network_id, who, when, work, said),
        "nil": whole(net, who, when, b"\xc0", said),
        "false": whole(net, who, when, b"\xc2", said),
        "duplicate keys": whole(net, who, when, work, b"\x82\x01\x00\x01\x00"),
        "a map": whole(net, who, when, work, b"\x81\x00" + said[1:]),
        "surrogates": whole(
            net, who, when, work, said.replace(b"sentiment", b"sent\xed\xa0\x80nt")
        ),
        "overlong UTF-8": whole(
            net, who, when, work, said.replace(b"sentiment", b"sentim\xc0\x80t")
        ),
        "trailing bytes": SMALL.raw + b"\xc0",
        "a second record behind": SMALL.raw + SMALL.raw,
        "cut short": SMALL.raw[:-1],
        "a signature as text": SMALL.raw[:-66] + b"\xd9\x40" + b"a" * 64,
        "a longer signature header": SMALL.raw[:-66] + b"\xc5\x00" + SMALL.raw[-65:],
    }


OTHERWISE = packed_otherwise()


@pytest.mark.parametrize("raw", OTHERWISE.values(), ids=OTHERWISE)
def test_decode_record__refuses_every_other_encoding(raw: bytes) -> None:
    assert raw != SMALL.raw
    seconds, peak = cost_of(lambda: decode_record(raw, NETWORK))

    assert seconds < SLOWEST_S
    assert peak <= 4 * len(raw) + CONSTANT_BYTES


def test_unpack_gossip__refuses_other_encodings() -> None:
    for raw in (
        b"\xdc\x00\x01\xc4\x01a",
        b"\x91\xc5\x00\x01a",
        b"\x91\xa1a",
        b"\x91\xc4\x01a\x00",
        b"\x91\xc4\x02a",
        b"\x91\xc4\x00",
        b"\x81\xc4\x01a\xc4\x01a",
    ):
        with pytest.raises(Malformed):
            unpack_gossip(raw)
    assert unpack_gossip(b"\x91\xc4\x01a") == [b"a"]


def test_decode_record__of_the_largest_record_is_quick() -> None:
    seconds = float("inf")
    for _ in range(3):  # as in `cost_of`
        started = time.process_time()
        decode_record(RECORD, NETWORK)
        seconds = min(seconds, time.process_time() - started)

    assert seconds < SLOWEST_S

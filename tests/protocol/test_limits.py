"""Every limit of the format, on both sides of its edge."""

from typing import Any

import pytest

from protocol.errors import Malformed
from protocol.gossip import pack_gossip, unpack_gossip
from protocol.params import GOSSIP_BYTES_MAX, GOSSIP_RECORDS_MAX
from protocol.record import open_record
from tests.builders import NETWORK, key, raw_record

KEYS = sorted(key(name) for name in "abcdefghijklmnopqrstuvwxyz123456789")
TEN, END = bytes(32), 2**53
PROFILE = [1, 1, "an", "aimarket"]
TASK = [2, bytes(16), "sentiment", TEN, b"what a day", 3, 0, b""]
COMMIT = [3, TEN, TEN]
JURY = [4, TEN, [[KEYS[0], TEN], [KEYS[1], TEN]]]
REVEAL = [5, TEN, [0, b"positive"], 900_000, 800_000, TEN]
PRESENCE = [6, [["sentiment", TEN]], 0, 30_000, ["/ip4/127.0.0.1"], 0, 0, bytes(16), TEN]

PARAMS = NETWORK.params
INTEGERS: tuple[list[Any], list[Any]] = (
    [0, END - 1],
    [END, -1, True, False, None, 1.0, b"1", "1", [1], {}],
)
PPMS = ([0, 1_000_000], [1_000_001, -1, True, 0.5])
HASHES = ([bytes(32)], [b"", bytes(31), bytes(33), "a" * 32, None])
TEXTS = (["a", "a" * 64, "é" * 32], ["", "a" * 65, "é" * 32 + "a", b"a", 1, None])
TEXTS_OR_EMPTY = (["", "a" * 64], ["a" * 65, b"", None])


def bins(least: int, most: int) -> tuple[list[bytes], list[Any]]:
    outside: list[Any] = [bytes(most + 1), "a" * least, None, [], 0]
    return [bytes(least), bytes(most)], outside + ([bytes(least - 1)] if least else [])


def seats(count: int) -> list[list[bytes]]:
    return [[juror, TEN] for juror in KEYS[:count]]


def pairs(count: int) -> list[list[Any]]:
    return [[f"type {number:02}", TEN] for number in range(count)]


FIELDS: list[tuple[list[Any], int, tuple[list[Any], list[Any]]]] = [
    (PROFILE, 1, INTEGERS),
    (PROFILE, 2, TEXTS_OR_EMPTY),
    (PROFILE, 3, TEXTS_OR_EMPTY),
    (TASK, 1, bins(16, 16)),
    (TASK, 2, TEXTS),
    (TASK, 3, ([b"", TEN], [bytes(1), bytes(31), bytes(33), "", None])),
    (TASK, 4, bins(0, PARAMS.input_bytes_max)),
    (TASK, 5, ([1, 3, 31], [0, 2, 30, 32, 33, -1, True, 3.0])),
    (TASK, 6, ([0], [1, 5, -1, False])),  # retry_of is empty
    (TASK, 7, ([b""], [TEN, bytes(31), "", None])),  # attempt is 0
    ([*TASK[:7], TEN], 6, ([1, 4], [0, 5, True])),
    ([*TASK[:6], 1, TEN], 7, ([TEN], [b"", bytes(31), bytes(33)])),
    (COMMIT, 1, HASHES),
    (COMMIT, 2, HASHES),
    (JURY, 1, HASHES),
    (JURY, 2, ([seats(1), seats(31)], [seats(0), seats(32), None, b"", {}])),
    (JURY, 2, ([seats(2)], [seats(2)[::-1], seats(1) * 2, [[KEYS[0]]], [[KEYS[0], TEN, TEN]]])),
    (JURY, 2, ([[[bytes(32), TEN]]], [[[bytes(31), TEN]], [[bytes(32), bytes(33)]]])),
    (REVEAL, 1, HASHES),
    (REVEAL, 2, ([[0, b""], [0, bytes(1024)]], [[0, bytes(1025)], [0, "text"], [0], [], None])),
    (REVEAL, 2, ([[1, "a"], [1, "a" * 64]], [[1, ""], [1, "a" * 65], [1, b"bytes"]])),
    (REVEAL, 2, ([[0, b"x"]], [[2, b"x"], [-1, b"x"], [False, b"x"], [0, b"x", 0]])),
    (REVEAL, 3, PPMS),
    (REVEAL, 4, PPMS),
    (REVEAL, 5, HASHES),
    (PRESENCE, 1, ([[], pairs(64)], [pairs(65), pairs(2)[::-1], pairs(1) * 2, [["", TEN]]])),
    (PRESENCE, 1, ([[["echo", b""]]], [[["echo"]], [["echo", bytes(31)]], [["echo", "", 1]]])),
    (PRESENCE, 2, INTEGERS),
    (PRESENCE, 3, ([0, 1_800_000], [1_800_001, -1, None])),
    (PRESENCE, 4, ([[], ["/a"] * 16, ["a" * 256]], [["/a"] * 17, [""], ["a" * 257], [b"a"]])),
    (PRESENCE, 5, INTEGERS),
    (PRESENCE, 6, INTEGERS),
    (PRESENCE, 7, bins(16, 16)),
    (PRESENCE, 8, HASHES),
]
CASES = [
    pytest.param([*words[:at], value, *words[at + 1 :]], good, id=f"{words[0]}.{at}-{good}-{n}")
    for number, (words, at, (inside, outside)) in enumerate(FIELDS)
    for good, values in ((True, inside), (False, outside))
    for n, value in enumerate(values, start=100 * number)
]


@pytest.mark.parametrize(("fields", "good"), CASES)
def test_statement__keeps_to_its_limits(fields: list[Any], good: bool) -> None:
    raw = raw_record("an", fields)

    if good:
        assert open_record(raw, NETWORK).raw == raw
    else:
        with pytest.raises(Malformed):
            open_record(raw, NETWORK)


@pytest.mark.parametrize("words", [PROFILE, TASK, COMMIT, JURY, REVEAL, PRESENCE])
def test_statement__has_exactly_its_fields(words: list[Any]) -> None:
    for wrong in (words[:-1], [*words, 0], [*words, b""], [], [words[0]], [0, *words[1:]]):
        with pytest.raises(Malformed):
            open_record(raw_record("an", wrong), NETWORK)


@pytest.mark.parametrize("number", [0, 7, 8, 2**53 - 1, -1, True, "1", None, 1.0])
def test_statement__of_an_unknown_kind_refuses_the_record(number: Any) -> None:
    with pytest.raises(Malformed):
        open_record(raw_record("an", COMMIT, [number, TEN, TEN]), NETWORK)


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("created_ms", [0, END - 1], [END, -1, True, None, 1.0]),
        ("version", [1], [0, 2, True, None, "1"]),
        ("work", [0], [1, END, -1, None, False]),
    ],
)
def test_record__keeps_to_its_limits(name: str, inside: list[Any], outside: list[Any]) -> None:
    for value in inside:
        open_record(raw_record("an", COMMIT, **{name: value}), NETWORK)
    for value in outside:
        with pytest.raises(Malformed):
            open_record(raw_record("an", COMMIT, **{name: value}), NETWORK)


def test_record__holds_1_to_256_statements() -> None:
    open_record(raw_record("an", *[COMMIT] * 256), NETWORK)
    for count in (0, 257):
        with pytest.raises(Malformed):
            open_record(raw_record("an", *[COMMIT] * count), NETWORK)


def test_record__is_at_most_32_kib() -> None:
    def filled(size: int) -> bytes:
        words = [*TASK[:4], bytes(16_384), *TASK[5:]]
        empty = len(raw_record("an", words, [*TASK[:4], bytes(15_000), *TASK[5:]]))
        return raw_record("an", words, [*TASK[:4], bytes(15_000 + size - empty), *TASK[5:]])

    assert len(filled(32_768)) == 32_768
    open_record(filled(32_768), NETWORK)
    with pytest.raises(Malformed, match="at most 32768"):
        open_record(filled(32_769), NETWORK)


@pytest.mark.parametrize("alone", [JURY, PRESENCE])
def test_record__lets_a_jury_or_a_presence_stand_alone(alone: list[Any]) -> None:
    open_record(raw_record("an", alone), NETWORK)
    for company in ([alone, COMMIT], [COMMIT, alone], [alone, alone]):
        with pytest.raises(Malformed):
            open_record(raw_record("an", *company), NETWORK)


def test_record__never_seats_its_author() -> None:
    with pytest.raises(Malformed, match="author"):
        open_record(raw_record("an", [4, TEN, [[key("an"), TEN]]]), NETWORK)


def test_gossip__holds_1_to_64_records_in_60_000_bytes() -> None:
    record = raw_record("an", COMMIT)
    assert unpack_gossip(pack_gossip([record] * GOSSIP_RECORDS_MAX)) == [record] * 64
    header = 4  # an array of one, a byte string with a 16-bit length
    assert unpack_gossip(pack_gossip([bytes(GOSSIP_BYTES_MAX - header)]))

    for wrong in ([], [record] * 65, [b""], [bytes(GOSSIP_BYTES_MAX - header + 1)]):
        with pytest.raises(Malformed):
            unpack_gossip(pack_gossip(wrong))

"""The bytes of the comparison: those of the reference, and none that it would not send."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Malformed
from protocol.reconcile import Limits, initiate, proceed, respond
from protocol.reconcile_items import Item, SortedItems, fingerprint_of
from protocol.reconcile_wire import (
    INFINITY,
    UINT64_MAX,
    Bound,
    Mode,
    Range,
    Writer,
    read_message,
    varint,
)
from tests.builders import NOON_MS
from tools.negentropy_cases import CASES, Case, items_of, lines_of, shown
from tools.negentropy_driver import converse

RECORDED: dict[str, list[str]] = {
    said["case"]: said["messages"]
    for said in json.loads(
        (Path(__file__).parents[1] / "vectors" / "negentropy.json").read_text(encoding="utf-8")
    )
}
ONE = b"\x01" + bytes(31)
FINGERPRINT = "11" * 16


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_sides__write_what_the_reference_wrote(case: Case) -> None:
    """Recorded by `tools/negentropy_conformance --record` from the JavaScript on both sides."""
    ours, theirs = items_of(case, is_asker=True), items_of(case, is_asker=False)
    asker, asked = SortedItems(ours), SortedItems(theirs)
    have: set[bytes] = set()
    need: set[bytes] = set()
    messages: list[bytes] = []

    query: bytes | None = initiate(asker)
    while query is not None:
        answer = respond(asked, query, Limits(case.asked_frame or None))
        step = proceed(asker, answer, Limits(case.asker_frame or None))
        messages += [query, answer]
        have.update(step.have)
        need.update(step.need)
        query = step.query

    assert [shown(message) for message in messages] == RECORDED[case.name]
    assert have == {item.record_id for item in set(ours) - set(theirs)}
    assert need == {item.record_id for item in set(theirs) - set(ours)}


def test_driver__says_what_the_harness_expects() -> None:
    case = CASES[1]
    asked = converse(
        [*lines_of(case, is_asker=False), "seal", "msg,6100000200\n"], frame_bytes_max=None
    )
    asker = converse(
        [*lines_of(case, is_asker=True), "seal", "initiate", "msg,6100000200\n"],
        frame_bytes_max=None,
    )

    assert list(asked) == ["msg,6100000200"]
    (only,) = items_of(case, is_asker=True)
    assert list(asker) == [f"msg,{RECORDED[case.name][0]}", f"have,{only.record_id.hex()}", "done"]


def test_driver__falls_back_to_version_one() -> None:
    assert list(converse(["seal", "msg,62aabbccddeeff"], frame_bytes_max=None)) == ["msg,61"]


def test_driver__refuses_other_words() -> None:
    with pytest.raises(ValueError, match="not a word"):
        list(converse(["sale"], frame_bytes_max=None))


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8100"),
        (16_383, "ff7f"),
        (16_384, "818000"),
        (NOON_MS, "b1bcff95d000"),
        (UINT64_MAX, "81ffffffffffffffff7f"),
    ],
)
def test_varint__is_golden(number: int, encoded: str) -> None:
    assert varint(number).hex() == encoded


def test_fingerprint__is_golden() -> None:
    """From the words of the standard: the sum's 32 bytes, least first, then how many."""
    expected = hashlib.sha256(b"\x03" + bytes(31) + b"\x02").digest()[:16]

    assert fingerprint_of(3, 2) == expected
    assert fingerprint_of(2**256 + 3, 2) == expected


def test_first_query__is_golden() -> None:
    """Version, the end of time, no id prefix, a list, one id."""
    assert (
        initiate(SortedItems([Item(NOON_MS, ONE)])).hex() == "61" + "00" + "00" + "0201" + ONE.hex()
    )


def test_bounds__are_golden() -> None:
    """A later moment needs no prefix; at one moment it is as short as can be."""
    items = [Item(NOON_MS, bytes([1, place]) + bytes(30)) for place in range(16)]
    items += [Item(NOON_MS + 1 + place, bytes([2, place]) + bytes(30)) for place in range(16)]

    ranges = read_message(initiate(SortedItems(items)), ranges_max=16)

    assert ranges[0].upper == Bound(NOON_MS, b"\x01\x02")
    assert ranges[7].upper == Bound(NOON_MS + 1, b"")
    assert ranges[14].upper == Bound(NOON_MS + 15, b"")
    assert ranges[15].upper == INFINITY


BOUNDS = st.builds(
    Bound, st.integers(0, UINT64_MAX - 1), st.binary(max_size=32).map(lambda raw: raw.rstrip(b"\0"))
)
PAYLOADS = st.one_of(
    st.just((Mode.SKIP, b"")),
    st.binary(min_size=16, max_size=16).map(lambda raw: (Mode.FINGERPRINT, raw)),
    st.integers(0, 5).map(lambda count: (Mode.ID_LIST, ONE * count)),
)


@given(st.lists(st.tuples(BOUNDS, PAYLOADS), max_size=20))
def test_messages__read_as_they_were_written(drawn: list[tuple[Bound, tuple[Mode, bytes]]]) -> None:
    drawn.sort(key=lambda said: said[0])
    drawn.append((INFINITY, (Mode.SKIP, b"")))
    writer = Writer()
    for upper, (mode, payload) in drawn:
        if mode == Mode.SKIP:
            writer.skip(upper)
        elif mode == Mode.FINGERPRINT:
            writer.fingerprint(upper, payload)
        else:
            writer.ids(upper, [ONE] * (len(payload) // 32))

    read = read_message(writer.message(), ranges_max=len(drawn))

    assert read == [Range(upper, mode, payload) for upper, (mode, payload) in drawn]


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("", "version: 0 bytes left"),
        ("62", "version: 0x62"),
        ("6180", "timestamp: a leading zero digit"),
        ("6181", "timestamp: 0 bytes left"),
        ("61" + "ff" * 9 + "7f", "timestamp: need at most 64 bits"),
        ("61" + "ff" * 11, "timestamp: need at most 64 bits"),
        ("61" + "81ffffffffffffffff7f" + "0000" + "020000", "timestamp: 18446744073709551615"),
        ("6100", "id prefix: 0 bytes left"),
        ("610001aa00", "id prefix: 1 bytes behind the end of time"),
        ("610121" + "aa" * 33 + "00", "id prefix: 33 bytes"),
        ("610102aa", "id prefix: 1 bytes left, need 2"),
        ("610000", "mode: 0 bytes left"),
        ("61000003", "mode: 3"),
        ("6100008100", "mode: 128"),
        ("61000001" + FINGERPRINT[2:], "fingerprint: 15 bytes left, need 16"),
        ("61000002", "ids: 0 bytes left"),
        ("6100000202" + ONE.hex(), "ids: 32 bytes left, need 64"),
        ("61000002ffffffffffffffff7f", "ids: 0 bytes left, need"),
        ("610101bb00" + "0101aa00", "id prefix: aa is below"),
        ("61000000" + "010000", "timestamp: 18446744073709551615"),
    ],
)
def test_read_message__says_what_is_wrong(message: str, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        read_message(bytes.fromhex(message), ranges_max=10)


@pytest.mark.parametrize(
    "message",
    [
        "61",
        "61000000" + "000000",  # the end of time twice: a list that filled the frame, and the rest
        "610101aa00" + "0101aa00",  # a list cut before its first id ends where it began
        "610101aa00" + "0102aa0000",  # zero bytes at the end of a prefix change nothing
        "610102aa0000" + "0101aa00",
    ],
)
def test_read_message__takes_what_correct_peers_may_write(message: str) -> None:
    assert len(read_message(bytes.fromhex(message), ranges_max=2)) <= 2

"""The laws of the comparison: it finds every difference and nothing else, in few bytes."""

import hashlib
import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import Malformed
from protocol.reconcile import (
    FRAME_BYTES,
    FRAME_BYTES_MIN,
    ROUNDS_MAX,
    Limits,
    initiate,
    proceed,
    respond,
)
from protocol.reconcile_items import Item, SortedItems, fingerprint_of, number_of
from protocol.reconcile_wire import (
    INFINITY,
    VERSION,
    Bound,
    Mode,
    Range,
    Writer,
    ids_in,
    read_message,
)
from tests.builders import NOON_MS

DAY_MS = 86_400_000
FRAMES = st.one_of(st.none(), st.integers(FRAME_BYTES_MIN, 4 * FRAME_BYTES_MIN))


class Compared(NamedTuple):
    have: set[bytes]
    need: set[bytes]
    sizes: list[int]  # of all messages, in bytes


def compare(
    asker: SortedItems,
    asked: SortedItems,
    asker_frame: int | None = FRAME_BYTES,
    asked_frame: int | None = FRAME_BYTES,
    rounds_max: int = ROUNDS_MAX,
) -> Compared:
    """Let one side ask the other until it has nothing left to ask."""
    asker_limits, asked_limits = Limits(asker_frame), Limits(asked_frame)
    have: set[bytes] = set()
    need: set[bytes] = set()
    sizes: list[int] = []
    query: bytes | None = initiate(asker)
    while query is not None:
        answer = respond(asked, query, asked_limits)
        step = proceed(asker, answer, asker_limits)
        assert len(query) <= (asker_frame or len(query))
        assert len(answer) <= (asked_frame or len(answer))
        sizes += [len(query), len(answer)]
        assert len(sizes) <= 2 * rounds_max
        have.update(step.have)
        need.update(step.need)
        query = step.query
    return Compared(have, need, sizes)


def some_items(
    count: int, *, seed: int = 0, span_ms: int = DAY_MS, shared_bytes: int = 0
) -> list[Item]:
    """Return items at moments less than a span apart, whose ids begin alike."""
    rng = random.Random(seed)
    items = [
        Item(
            NOON_MS + rng.randrange(span_ms),
            bytes(shared_bytes) + rng.randbytes(32 - shared_bytes),
        )
        for _ in range(count)
    ]
    return list({item.record_id: item for item in items}.values())  # an id fixes its moment


@st.composite
def two_logs(draw: st.DrawFn) -> tuple[set[Item], set[Item]]:
    """Draw two logs that share much, little or nothing, crowded in time or not."""
    counts = st.one_of(st.integers(0, 3), st.integers(0, 60), st.integers(0, 600))
    both, ours, theirs = draw(counts), draw(counts), draw(counts)
    drawn = some_items(
        both + ours + theirs,
        seed=draw(st.integers(0, 2**32)),
        span_ms=draw(st.sampled_from([1, 3, 100, 10_000, DAY_MS])),
        shared_bytes=draw(st.sampled_from([0, 0, 1, 20, 30])),
    )
    if draw(st.booleans()):  # what one side alone has lies together
        drawn.sort()
    shared = set(drawn[:both])
    return shared | set(drawn[both : both + ours]), shared | set(drawn[both + ours :])


def ids_of(items: set[Item]) -> set[bytes]:
    return {item.record_id for item in items}


@settings(max_examples=150, deadline=None)
@given(two_logs(), FRAMES, FRAMES)
def test_comparison__finds_all_differences_and_no_others(
    logs: tuple[set[Item], set[Item]], asker_frame: int | None, asked_frame: int | None
) -> None:
    ours, theirs = logs

    found = compare(SortedItems(ours), SortedItems(theirs), asker_frame, asked_frame, 200)

    assert found.have == ids_of(ours - theirs)
    assert found.need == ids_of(theirs - ours)


def test_comparison__of_equal_logs_is_one_short_round_trip() -> None:
    log = SortedItems(some_items(100_000))

    found = compare(log, log)

    assert found.have == found.need == set()
    assert len(found.sizes) == 2
    assert sum(found.sizes) <= 512


@pytest.mark.parametrize(
    ("size", "differences", "bytes_max"),
    [
        (10_000, 0, 321),
        (10_000, 1, 1_100),
        (10_000, 10, 6_700),
        (10_000, 100, 41_000),
        (10_000, 1000, 164_000),
        (100_000, 1, 1_800),
        (100_000, 1000, 796_000),
    ],
)
def test_comparison__costs_what_was_simulated(size: int, differences: int, bytes_max: int) -> None:
    """The table in reliability.md, 1b, and half as much again; at most six messages."""
    shared = some_items(size)
    extra = some_items(differences, seed=1)
    ours, theirs = SortedItems(shared + extra[::2]), SortedItems(shared + extra[1::2])

    found = compare(ours, theirs)

    assert len(found.have) + len(found.need) == differences
    assert 2 * sum(found.sizes) <= 3 * bytes_max
    assert len(found.sizes) <= 6


def test_comparison__of_a_newcomer_ends_within_the_rounds() -> None:
    log = SortedItems(some_items(60_000))

    found = compare(SortedItems([]), log)

    assert len(found.need) == 60_000
    assert sum(found.sizes) <= 60_000 * 33


def test_respond__loses_nothing_when_the_last_range_does_not_fit() -> None:
    """The peer has nothing where the frame is full: an empty rest would look equal to it."""
    log = SortedItems(some_items(4 * 31, span_ms=10_000))
    query = Writer()
    for place in (31, 62, 93):
        (above,) = log.between(place, place + 1)
        query.fingerprint(Bound(*above), bytes(16))
    query.fingerprint(INFINITY, fingerprint_of(0, 0))

    answer = respond(log, query.message(), Limits(FRAME_BYTES_MIN))

    *lists, rest = read_message(answer, ranges_max=10)
    assert [len(ids_in(listed.payload)) for listed in lists] == [31, 31, 31]
    assert rest == Range(INFINITY, Mode.FINGERPRINT, log.fingerprint(93, 124))


def test_proceed__names_each_id_once_when_a_liar_repeats_it() -> None:
    stranger = bytes(range(32))
    answer = Writer()
    answer.ids(INFINITY, [stranger] * 100)

    step = proceed(SortedItems([]), answer.message())

    assert step.need == (stranger,)
    assert step.query is None


@pytest.mark.parametrize("version", [0x60, 0x62, 0x6F])
def test_respond__names_its_version_when_asked_in_another(version: int) -> None:
    assert respond(SortedItems([]), bytes([version, 1, 2, 3])) == bytes([VERSION])


@pytest.mark.parametrize("version", [0x00, 0x5F, 0x60, 0x62, 0x70, 0xFF])
def test_proceed__refuses_every_other_version(version: int) -> None:
    with pytest.raises(Malformed, match="version"):
        proceed(SortedItems([]), bytes([version]))


@pytest.mark.parametrize("query", [b"", b"\x5f", b"\x70\x00\x00\x00"])
def test_respond__refuses_what_is_no_version(query: bytes) -> None:
    with pytest.raises(Malformed, match="version"):
        respond(SortedItems([]), query)


def test_respond__refuses_a_message_above_its_limit() -> None:
    query = initiate(SortedItems(some_items(3)))
    least = Limits(message_bytes_max=len(query))
    less = Limits(message_bytes_max=len(query) - 1)

    assert respond(SortedItems([]), query, least)
    with pytest.raises(Malformed, match=r"message: \d+ bytes, need at most"):
        respond(SortedItems([]), query, less)


def test_respond__refuses_more_ranges_than_its_limit() -> None:
    query = initiate(SortedItems(some_items(100)))

    assert respond(SortedItems([]), query, Limits(ranges_max=16))
    with pytest.raises(Malformed, match="more than 15"):
        respond(SortedItems([]), query, Limits(ranges_max=15))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes__are_answered_within_the_frame_or_refused(tail: bytes, is_whole: bool) -> None:
    log = SortedItems(some_items(200))
    message = tail if is_whole else bytes([VERSION]) + tail

    for listen in (respond, proceed):
        try:
            listen(log, message, Limits(FRAME_BYTES_MIN))
        except Malformed:
            continue


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**40), st.binary(max_size=32), st.binary(max_size=40))))
def test_a_peer_that_talks_nonsense__gets_no_more_than_a_frame(
    drawn: list[tuple[int, bytes, bytes]],
) -> None:
    log = SortedItems(some_items(500, span_ms=1000))
    query = Writer()
    for created_ms, prefix, said in sorted(
        (at, prefix.rstrip(b"\0"), b) for at, prefix, b in drawn
    ):
        if len(said) < 16:
            query.ids(Bound(created_ms, prefix), [hashlib.sha256(said).digest()])
        else:
            query.fingerprint(Bound(created_ms, prefix), said[:16])

    answer = respond(log, query.message(), Limits(FRAME_BYTES_MIN))
    step = proceed(log, query.message(), Limits(FRAME_BYTES_MIN))

    assert len(answer) <= FRAME_BYTES_MIN
    assert len(step.query or b"") <= FRAME_BYTES_MIN
    assert len(step.have) <= log.size


@settings(max_examples=50, deadline=None)
@given(two_logs(), st.data())
def test_sorted_items__fingerprint_any_range_as_the_standard_says(
    logs: tuple[set[Item], set[Item]], data: st.DataObject
) -> None:
    items = SortedItems([*logs[0], *logs[0]])
    end = data.draw(st.integers(0, items.size))
    start = data.draw(st.integers(0, end))

    fingerprint = items.fingerprint(start, end)

    between = sorted(logs[0])[start:end]
    assert list(items.between(start, end)) == between
    assert fingerprint == fingerprint_of(
        sum(number_of(item.record_id) for item in between), end - start
    )

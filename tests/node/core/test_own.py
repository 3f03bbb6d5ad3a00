"""What a node remembers of its own words survives the journal unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.own import (
    Asked,
    Entry,
    Opening,
    cancellation,
    content_key,
    entry_changes,
    find_asked,
    find_opening,
    find_slot,
    is_cancelled,
    pack_entry,
    profile_slot,
    read_entry,
    request_key,
    request_slot,
    retry_slot,
    statement_slot,
    unopened,
)
from protocol.errors import Malformed
from protocol.ids import RecordId, TaskId
from protocol.params import PPM
from protocol.statements import Answer, AnswerKind, Kind, Result
from tests.builders import NETWORK, a_record, a_result, a_task
from tests.fakes import MemoryRows

PARAMS = NETWORK.params
TASK = TaskId(b"t" * 32)
RECORD = RecordId(b"r" * 32)

words = st.binary(min_size=32, max_size=32)
ppm = st.integers(0, PPM)
answers = st.builds(
    Answer,
    st.just(AnswerKind.VALUE),
    st.binary(max_size=PARAMS.answer_bytes_max),
) | st.builds(Answer, st.just(AnswerKind.ERROR), st.just(b"too_long"))
openings = st.builds(Opening, words.map(TaskId), words, st.builds(Result, answers, ppm, ppm))
entries = st.builds(
    Entry,
    st.binary(min_size=1, max_size=PARAMS.record_bytes_max),
    st.lists(st.binary(min_size=1, max_size=64), max_size=5).map(tuple),
    st.lists(openings, max_size=5).map(tuple),
    st.lists(st.builds(Asked, words, words, words.map(TaskId)), max_size=5).map(tuple),
)


@given(entries)
def test_read_entry__reads_what_pack_entry_wrote(entry: Entry) -> None:
    assert read_entry(pack_entry(entry), PARAMS) == entry


@given(entries, st.data())
def test_read_entry__refuses_what_was_cut(entry: Entry, data: st.DataObject) -> None:
    packed = pack_entry(entry)
    size = data.draw(st.integers(0, len(packed) - 1))

    with pytest.raises(Malformed):
        read_entry(packed[:size], PARAMS)


@given(st.lists(openings, max_size=5, unique_by=lambda opening: opening.task_id))
def test_entry_changes__let_every_opening_be_found_again(opened: list[Opening]) -> None:
    rows = MemoryRows()

    rows.apply(entry_changes(Entry(b"raw", (), tuple(opened), ()), RECORD))

    assert [find_opening(rows, one.task_id, PARAMS) for one in opened] == opened
    assert find_opening(rows, TASK, PARAMS) is None
    assert list(unopened(rows)) == sorted(one.task_id for one in opened)


def test_entry_changes__let_slots_and_requests_be_found_again() -> None:
    rows = MemoryRows()
    asked = Asked(request_key("a request"), content_key([1]), TASK)
    slot = request_slot(asked.request)

    rows.apply(entry_changes(Entry(a_record("me", a_task()).raw, (slot,), (), (asked,)), RECORD))

    assert find_slot(rows, slot) == RECORD
    assert find_asked(rows, asked.request) == asked
    assert find_slot(rows, retry_slot(TASK)) is None
    assert find_asked(rows, request_key("another")) is None


def test_unopened__leaves_out_what_a_reveal_was_signed_for() -> None:
    rows = MemoryRows()
    opening = Opening(TASK, bytes(32), a_result("positive"))
    reveal_slot = statement_slot(Kind.REVEAL, TASK)

    rows.apply(entry_changes(Entry(b"raw", (reveal_slot,), (opening,), ()), RECORD))

    assert list(unopened(rows)) == []


def test_slots__never_share_a_name() -> None:
    slots = [
        request_slot(TASK),
        retry_slot(TASK),
        *(statement_slot(kind, TASK) for kind in Kind),
        *(profile_slot(sequence) for sequence in (0, 1, 2**53 - 1)),
    ]

    assert len(set(slots)) == len(slots)
    assert max(len(slot) for slot in slots) <= 64  # what the journal reads back


@pytest.mark.parametrize("request_id", ["", "a" * 100_000, "\N{SNOWMAN}"])
def test_request_key__has_one_size(request_id: str) -> None:
    assert len(request_key(request_id)) == 32


def test_is_cancelled__knows_what_was_given_up() -> None:
    rows = MemoryRows()
    before = is_cancelled(rows, TASK)

    rows.apply(cancellation(TASK))

    assert (before, is_cancelled(rows, TASK)) == (False, True)

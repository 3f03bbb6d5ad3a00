"""The pure part of token classification: from one label a piece to entities."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import InferenceFailed
from node.inference.canonical_json import pack_json
from node.inference.entities import (
    ANSWER_BYTES_MAX,
    ANSWER_TOO_LONG,
    Entity,
    Piece,
    entities_answer,
    entities_of,
    entities_result,
)
from protocol.statements import AnswerKind

NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "PER", "B-O", "I-", "B", "Ort ✓")
SCORES = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def places(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Draw where pieces lie: ascending, with gaps, and sometimes two on one character."""
    found: list[tuple[int, int]] = []
    end = 0
    for gap, length in draw(st.lists(st.tuples(st.integers(-1, 2), st.integers(1, 5)))):
        start = max(0, end + gap)
        end = max(end, start + length)
        found.append((start, end))
    return found


PIECES = st.builds(
    lambda where, names: [Piece(s, e, n) for (s, e), n in zip(where, names, strict=False)],
    places(),
    st.lists(st.sampled_from(NAMES), min_size=1),
)


@given(PIECES)
def test_entities_of__is_made_of_pieces_and_of_every_piece_that_is_something(
    pieces: list[Piece],
) -> None:
    entities = entities_of(pieces)

    starts = {(one.start, _kind(one.label)) for one in pieces}
    ends = {(one.end, _kind(one.label)) for one in pieces}
    covered = [
        any(e.start <= one.start and one.end <= e.end and e.label == _kind(one.label)
            for e in entities)
        for one in pieces if _kind(one.label) != "O"
    ]  # fmt: skip
    assert all((one.start, one.label) in starts for one in entities)
    assert all((one.end, one.label) in ends for one in entities)
    assert all(one.label != "O" for one in entities)
    assert all(covered)


@given(PIECES)
def test_entities_of__begins_anew_at_every_b_and_after_every_o(pieces: list[Piece]) -> None:
    starts = [one.start for one in entities_of(pieces)]

    before = "O"
    expected: list[int] = []
    for one in pieces:
        kind = _kind(one.label)
        if kind != "O" and (one.label.startswith("B-") or kind != before):
            expected.append(one.start)
        before = kind
    assert starts == expected == sorted(starts)


@given(PIECES)
def test_entities_answer__has_one_form_and_reads_back(pieces: list[Piece]) -> None:
    entities = entities_of(pieces)

    answer = entities_answer(entities)

    if answer.kind is AnswerKind.VALUE:
        assert len(answer.value) <= ANSWER_BYTES_MAX
        read = json.loads(answer.value)
        assert [Entity(*one) for one in read] == entities
        assert pack_json(read) == answer.value
    else:
        assert answer == ANSWER_TOO_LONG


@given(places(), st.data())
def test_entities_result__is_total_and_as_sure_as_its_least_sure_piece(
    where: list[tuple[int, int]], data: st.DataObject
) -> None:
    rows = st.lists(SCORES, min_size=len(NAMES), max_size=len(NAMES))
    scored = [(one, data.draw(rows)) for one in where]

    result = entities_result(NAMES, scored)

    assert result == entities_result(NAMES, scored)
    assert 0 <= result.margin_ppm <= result.confidence_ppm <= 1_000_000
    alone = [entities_result(NAMES, [one]) for one in scored]
    assert result.margin_ppm == min([one.margin_ppm for one in alone], default=1_000_000)
    assert result.confidence_ppm == min([one.confidence_ppm for one in alone], default=1_000_000)


def test_entities_result__fails_on_a_score_that_is_no_number() -> None:
    with pytest.raises(InferenceFailed):
        entities_result(("O", "B-PER"), [((0, 1), (0.0, math.nan))])


def test_entities_answer__golden_vectors() -> None:
    some = [Entity(0, 4, "PER"), Entity(16, 21, 'Ort "✓"\n')]

    assert entities_answer([]).value == b"[]"
    assert entities_answer(some).value == '[[0,4,"PER"],[16,21,"Ort \\"✓\\"\\n"]]'.encode()


@pytest.mark.parametrize(("longer", "kind"), [(0, AnswerKind.VALUE), (1, AnswerKind.ERROR)])
def test_entities_answer__fits_to_the_last_byte(longer: int, kind: AnswerKind) -> None:
    frame = len(b'[[0,1,""]]')

    answer = entities_answer([Entity(0, 1, "x" * (ANSWER_BYTES_MAX - frame + longer))])

    assert answer.kind is kind
    assert (answer.value == b"answer-too-long") == (kind is AnswerKind.ERROR)


def _kind(label: str) -> str:
    return label[2:] if label[:2] in ("B-", "I-") else label

"""Raw scores turned into whole numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import InferenceFailed
from node.inference.confidence import best_label, confidence_ppm, margin_ppm

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8)


@given(SCORES)
def test_confidence_ppm__never_claims_more_than_there_is(logits: list[float]) -> None:
    shares = [confidence_ppm(logits, index) for index in range(len(logits))]

    assert all(0 <= share <= 1_000_000 for share in shares)
    assert 1_000_000 - len(logits) <= sum(shares) <= 1_000_000
    assert shares[best_label(logits)] == max(shares)


@given(SCORES)
def test_margin_ppm__is_the_lead_of_the_best_and_nobody_elses(logits: list[float]) -> None:
    best = best_label(logits)
    runner_up = max(confidence_ppm(logits, i) for i in range(len(logits)) if i != best)

    lead = margin_ppm(logits, best)

    assert abs(lead - (confidence_ppm(logits, best) - runner_up)) <= 1
    assert all(margin_ppm(logits, i) == 0 for i in range(len(logits)) if i != best)


@given(SCORES, st.integers(-1000, 1000))
def test_confidence_ppm__does_not_depend_on_where_scores_are_counted_from(
    logits: list[float], shift: int
) -> None:
    best = best_label(logits)

    moved = confidence_ppm([score + shift for score in logits], best)

    assert abs(moved - confidence_ppm(logits, best)) <= 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_confidence_ppm__refuses_what_is_no_number(bad: float) -> None:
    with pytest.raises(InferenceFailed):
        confidence_ppm([0.0, bad], 0)
    with pytest.raises(InferenceFailed):
        margin_ppm([bad, 0.0], 0)


def test_margin_ppm__is_whole_where_there_is_no_other_label() -> None:
    assert margin_ppm([3.0], 0) == 1_000_000

"""What the demo makes of the nodes' documents."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from node.demo_progress import NodeSnapshot, agree, disagreements, news
from tests.fakes_market import ALICE, BOB, DIGEST, a_standing, a_task, decided

ID = "11" * 32
ROW: Mapping[str, Any] = asdict(a_standing(ALICE, 2))
SAME = NodeSnapshot([ROW], DIGEST, 12, (("final", "positive"), ("final", "negative")))


def test_news__tells_each_step_once() -> None:
    opened = asdict(a_task(ID))
    sealed = asdict(replace(a_task(ID), committed=(BOB,)))
    final = asdict(decided(a_task(ID)))

    steps = [news(None, opened), news(opened, sealed), news(sealed, final), news(final, final)]

    assert steps[0] == []
    assert steps[1] == [f"bob~{BOB.peer_id[-6:]} sealed an answer"]
    assert [line.split()[0].partition("~")[0] for line in steps[2]] == [
        "alice", "carole", "the", "alice", "bob", "carole", "verdict:"]  # fmt: skip
    assert steps[2][-1] == "verdict: positive"
    assert steps[3] == []


def test_news__tells_all_of_a_task_that_is_first_seen_decided() -> None:
    assert len(news(None, asdict(decided(a_task(ID))))) == 8


def test_news__tells_that_a_jury_was_split() -> None:
    split = asdict(replace(a_task(ID), state="split"))

    assert news(asdict(a_task(ID)), split) == ["no verdict: split"]


def test_agree__holds_for_equal_final_computations() -> None:
    assert agree([SAME, SAME, SAME])
    assert disagreements(["alice", "bob"], [SAME, SAME]) == []


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(SAME, state_digest="00" * 32), "digests differ"),
        (replace(SAME, leaderboard=[]), "leaderboards differ"),
        (replace(SAME, records=0), "log of bob is empty"),
        (replace(SAME, verdicts=(("final", "positive"), None)), "bob knows 1 of 2"),
        (replace(SAME, verdicts=(("final", "positive"), ("open", None))), "bob knows 1 of 2"),
        (replace(SAME, verdicts=(("final", "odd"), ("final", "negative"))), "verdicts differ"),
    ],
)
def test_agree__fails_if_one_node_differs(other: NodeSnapshot, reason: str) -> None:
    assert not agree([SAME, other])
    assert not agree([other, SAME])
    assert reason in "; ".join(disagreements(["alice", "bob"], [SAME, other]))


def test_agree__is_not_reached_by_equal_but_undecided_nodes() -> None:
    split = replace(SAME, verdicts=(("split", None),))
    nothing = replace(SAME, verdicts=())

    assert not agree([split, split])
    assert not agree([nothing, nothing])

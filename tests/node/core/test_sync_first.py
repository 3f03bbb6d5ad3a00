"""Whom a node meets before it may sign: everybody, and at once."""

import random

from hypothesis import given
from hypothesis import strategies as st

from node.core.sync import GAP_MS, YIELD_MS, Outcome, SyncPlanner
from protocol.ids import PeerId


@given(st.integers(0, 2**32), st.integers(0, 4), st.integers(1, 40))
def test_next__meets_everybody_without_a_gap_while_the_node_waits_for_that(
    seed: int, outbound: int, inbound: int
) -> None:
    dialled = [PeerId(f"dialled {number}") for number in range(outbound)]
    others = [PeerId(f"other {number}") for number in range(inbound)]
    planner = SyncPlanner(random.Random(seed).randrange, 0)
    for peer in [*others, *dialled]:
        planner.came(peer, 0, outbound=peer in dialled)
    now_ms, met = YIELD_MS, []
    while (session := planner.next(now_ms, meets_all=True)) is not None:
        met.append(session.peer)
        now_ms += 100
        planner.ended(Outcome.EQUAL, now_ms)

    assert sorted(met) == sorted([*dialled, *others])
    assert set(met[:outbound]) == set(dialled)
    assert planner.next(now_ms + GAP_MS - 1, meets_all=True) is None


def test_next__leaves_a_gap_after_a_log_that_was_longer_than_a_session() -> None:
    planner = SyncPlanner(random.Random(0).randrange, 0)
    for name in ("bob", "cleo"):
        planner.came(PeerId(name), 0, outbound=True)
    assert planner.next(0, meets_all=True) is not None
    planner.ended(Outcome.UNFINISHED, 0)

    assert planner.next(GAP_MS - 1, meets_all=True) is None
    assert planner.next(GAP_MS, meets_all=True) is not None

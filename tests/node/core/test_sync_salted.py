"""Sessions over salted ids: they come now and then, and what they come to holds up nothing."""

import itertools

import pytest

from node.core.sync import SALTED_EVERY_MS, Outcome
from tests.node.core.test_sync import START_MS, TASK_MS, a_planner, run

FOR_MS = 4 * SALTED_EVERY_MS


@pytest.mark.parametrize("others", [0, 5])
def test_next__goes_on_without_salt_though_every_salted_session_fails(others: int) -> None:
    planner = a_planner(outbound=["bob"], inbound=[f"peer {n}" for n in range(others)])

    ended = run(
        planner,
        lambda session: Outcome.FAILED if session.is_salted else Outcome.EQUAL,
        for_ms=FOR_MS,
        waits_for_ms=TASK_MS,
    )

    plain_ms = [at_ms for at_ms, session, _ in ended if not session.is_salted]
    moments = [START_MS, *plain_ms, START_MS + FOR_MS]
    assert max(after - before for before, after in itertools.pairwise(moments)) <= 60_000
    assert sum(session.is_salted for _, session, _ in ended) >= 4

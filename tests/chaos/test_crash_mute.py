"""C4: a node that is killed and back within seconds is heard at once, by gossip."""

import time
from pathlib import Path
from random import Random

import pytest

from tests.chaos.conftest import Tell
from tests.chaos.sizes import is_long, times
from tests.chaos.users import ask_until_taken, knows
from tests.loopback.nodes import RealNode, street, until

BEFORE = 500 if is_long() else 100
AFTER = 100
BACK_WITHIN_S = 10.0
AT_ONCE_S = 1.0
LATE_MAX = 2  # the machine did something else for a moment; gossip brought those, too
HEARD_WITHIN_S = 30.0  # what gossip lost, sync would have brought by then
TOLD_TWICE_MAX = 5  # records a comparison of logs may bring that gossip was just about to


@pytest.mark.chaos
@pytest.mark.chaos_ci
@pytest.mark.timeout(180 * times(small=1, listed=10))
def test_a_node_killed_and_back_within_seconds__is_heard_at_once(
    tmp_path: Path, rng: Random, tell: Tell
) -> None:
    with street(tmp_path) as town:
        speaker, *neighbours = town.open("alice", "bob", "carol")
        address = speaker.address
        for life in range(times(small=1, listed=10)):
            for number in range(BEFORE):
                speaker.submit(f"before {life} {number}")
            fetched = sum(map(records_fetched, neighbours))

            time.sleep(rng.uniform(0, 0.2))
            speaker.kill()
            killed_s = time.monotonic()
            listen = address.partition("/p2p/")[0]
            speaker.launch("--listen", listen, "--bootstrap", neighbours[0].address)
            speaker.wait_serving()
            first = ask_until_taken(speaker, f"first of life {life}")
            back_s = time.monotonic() - killed_s
            waits = [seconds_until_heard(neighbours, first)]
            for number in range(1, AFTER):
                task_id = speaker.submit(f"after {life} {number}")
                waits.append(seconds_until_heard(neighbours, task_id))
            fetched = sum(map(records_fetched, neighbours)) - fetched

            at_once = sum(wait_s <= AT_ONCE_S for wait_s in waits)
            waits.sort()
            tell(f"back and speaking {back_s:.1f} s after the kill, {BEFORE} messages before it")
            tell(f"{at_once} of {AFTER} records at both neighbours within {AT_ONCE_S:g} s")
            worst = ", ".join(f"{wait_s * 1e3:.0f}" for wait_s in waits[-1 : -LATE_MAX - 3 : -1])
            tell(f"median {waits[AFTER // 2] * 1e3:.0f} ms, the longest {worst} ms")
            tell(f"{fetched} records came to them by comparing logs instead")
            assert back_s < BACK_WITHIN_S
            assert at_once >= AFTER - LATE_MAX
            assert fetched <= TOLD_TWICE_MAX


def seconds_until_heard(nodes: list[RealNode], task_id: str) -> float:
    """Wait until all of them have a task in their logs."""
    started_s = time.monotonic()
    for node in nodes:
        until(lambda node=node: knows(node, task_id), within_s=HEARD_WITHIN_S, what=node.name)  # type: ignore[misc]
    return time.monotonic() - started_s


def records_fetched(node: RealNode) -> int:
    counted: int = node.status()["counters"]["records_fetched"]
    return counted

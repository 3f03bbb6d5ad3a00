"""F3: strangers who send valid junk at full speed neither stall a node nor keep tasks waiting."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from operator import sub
from pathlib import Path

import pytest

from tests.loopback.flooder import FLOODERS, PER_FRAME
from tests.loopback.nodes import ROOT, RealNode, street, wait_final
from tests.loopback.stalls import STALL_S, least_stall, next_sample_ms, stall_since
from tests.loopback.test_live_killers import target_of

FLOOD_S = 60.0 if os.environ.get("AIMARKET_LONG") else 6.0
FINAL_S = 2.0
NOT_LOST_S = 20.0  # what was not taken during the flood came by the next comparisons of logs
TASKS_BEFORE = 10
NOT_TAKEN = re.compile(
    r'^aimarket_refusals_total\{.*reason="gossip_overflow"\} (\S+)$', re.MULTILINE
)


@pytest.mark.e2e
@pytest.mark.timeout(240 + 3 * FLOOD_S)
def test_flood__of_valid_junk_neither_stalls_a_node_nor_has_tasks_wait(tmp_path: Path) -> None:
    with street(tmp_path) as town:
        victim, bob = town.open("victim", "bob")
        target = target_of(victim, town)
        calm_s = sorted(work(bob)[1] for _ in range(TASKS_BEFORE))
        where = (target.host, str(target.port), target.peer_id, target.topics[0], town.genesis)
        done: list[tuple[str, float]] = []

        def play() -> float:
            before, since_ms = taken_and_not(victim), next_sample_ms(victim)
            asked_before = len(done)
            with flooding(where):
                until_s = time.monotonic() + FLOOD_S
                while len(done) == asked_before or time.monotonic() < until_s:
                    done.append(work(bob))
                peak_s = stall_since(victim, since_ms)
                stored, not_taken = map(sub, taken_and_not(victim), before)
            for node in (victim, bob):
                asked = [task_id for task_id, _ in done[asked_before:]]
                wait_final(node, asked, within_s=NOT_LOST_S)
            print(f"\n{stored} records stored, {not_taken} not taken")
            assert stored > FLOODERS * PER_FRAME, "the flood never reached the log"
            assert not_taken > stored, "the node took all there was: no flood"
            return peak_s

        peak_s = least_stall(play)

    took_s = sorted(task_s for _, task_s in done)
    print(f"\nbefore: final after {calm_s[len(calm_s) // 2]:.2f} s")
    print(f"{len(took_s)} tasks: median {took_s[len(took_s) // 2]:.2f} s, worst {took_s[-1]:.2f} s")
    assert peak_s <= STALL_S
    assert took_s[int(0.99 * (len(took_s) - 1))] <= FINAL_S


def taken_and_not(victim: RealNode) -> tuple[int, int]:
    """Return how many records a node has, and how many it had no room for so far."""
    not_taken = NOT_TAKEN.findall(victim.scrape())
    return victim.status()["records"], int(float(not_taken[0])) if not_taken else 0


def work(bob: RealNode) -> tuple[str, float]:
    """Have a task judged; return which, and how long it took."""
    started_s = time.monotonic()
    task_id = bob.submit("still here?", seats=1)
    wait_final(bob, [task_id], within_s=30)
    return task_id, time.monotonic() - started_s


@contextmanager
def flooding(where: tuple[str, ...]) -> Iterator[None]:
    """Have a process of its own flood a node meanwhile."""
    flooder = subprocess.Popen(
        [sys.executable, "-m", "tests.loopback.flooder", *where],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert flooder.stdout is not None
        assert flooder.stdin is not None
        assert flooder.stdout.readline() == "ready\n"
        print(file=flooder.stdin, flush=True)
        yield
        assert flooder.poll() is None, "the flood ended by itself"
    finally:
        flooder.kill()
        flooder.wait()

"""C5: some nodes stand still for a while, as suspended machines do, and go on as if nothing was."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import Bed, bed
from tests.chaos.conftest import Tell
from tests.chaos.load import Load, judge, late_commits
from tests.chaos.sizes import is_long, lasting, times
from tests.loopback.nodes import until, wait_equal

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(7_200 if is_long() else 240),
]

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace")
CROWD = NAMES if is_long() else NAMES[:5]
PAUSED = 2
PAUSED_S = lasting(small=20, listed=60)  # after 10 to 25 s the others give a silent peer up
CYCLES = times(small=1, listed=20)  # two runs of ten
EVERY_S = 0.5
EQUAL_WITHIN_S = 45.0
FINAL_WITHIN_S = 60.0
BACK_WITHIN_S = 75.0  # an address that failed is left alone for a minute at most
LATE_MS = 5_000  # harmless, and of no use: nobody can wait for it


@pytest.fixture
def town(wired: None, tmp_path: Path, rng: Random) -> Iterator[Bed]:
    with bed(tmp_path, rng) as made:
        yield made


@pytest.mark.chaos_ci
def test_paused_nodes__go_on_and_become_equal(town: Bed, rng: Random, tell: Tell) -> None:
    nodes = town.open(*CROWD)
    load = Load(rng)

    for cycle in range(CYCLES):
        load.pump(nodes, seconds=2, every_s=0.1)  # so that pauses meet tasks under way
        still = rng.sample(town.bed_nodes, PAUSED)
        for node in still:
            node.pause()
        awake = [node for node in nodes if node not in still]
        load.pump(awake, seconds=PAUSED_S, every_s=EVERY_S)
        undecided = sum(awake[0].count(state) for state in ("open", "seated"))
        for node in still:
            node.resume()
        resumed_s = time.monotonic()
        wait_equal(nodes, within_s=EQUAL_WITHIN_S)
        equal_s = time.monotonic() - resumed_s
        load.wait_final(nodes, within_s=FINAL_WITHIN_S)
        tell(
            f"cycle {cycle}: {[node.name for node in still]} still for {PAUSED_S:g} s,"
            f" {undecided} tasks undecided; equal {equal_s:.1f} s after they went on,"
            f" all final {time.monotonic() - resumed_s:.1f} s"
        )
    until(
        lambda: all(node.status()["peers"] == len(nodes) - 1 for node in nodes),
        within_s=BACK_WITHIN_S,
        what="nobody is left out for good",
    )
    rest = judge(town, load, nodes)

    late = late_commits(rest.log, after_ms=LATE_MS)
    tell(
        f"{load.count} tasks accepted, {dict(load.refused)} refused, {rest.records} records;"
        f" {late} commits came more than {LATE_MS / 1_000:g} s after the jury"
    )

"""N3: lines that lose, delay and choke; every record arrives everywhere all the same."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import Bed, Delay, bed
from tests.chaos.conftest import Tell
from tests.chaos.load import Load, judge
from tests.chaos.sizes import is_long, lasting, times
from tests.loopback.nodes import wait_equal

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(1_800 if is_long() else 240),
]

NAMES = ("alice", "bob", "carol", "dave", "erin")
LASTS_S = lasting(small=10, listed=60)
RUNS = times(small=1, listed=3)
EVERY_S = 0.5
ALL_WITHIN_S = 120.0
LINE = Delay(150, 50)

Trouble = Callable[[Bed], None]


def lose_5(town: Bed) -> None:
    town.wires.lose(5)


def lose_20(town: Bed) -> None:
    town.wires.lose(20)


def choke(town: Bed) -> None:
    town.wires.slow(1)


@pytest.mark.parametrize(
    ("trouble", "delay"),
    [
        pytest.param(lose_5, None, id="5 percent lost"),
        pytest.param(lose_20, None, id="20 percent lost", marks=pytest.mark.chaos_ci),
        pytest.param(choke, LINE, id="1 Mbit and 150 ms"),
    ],
)
def test_bad_links__bring_every_record_to_every_node(
    trouble: Trouble, delay: Delay | None, tmp_path: Path, rng: Random, tell: Tell
) -> None:
    for run in range(RUNS):
        with bed(tmp_path / str(run), rng, delay=delay) as town:
            nodes = [town.node(name) for name in NAMES]
            trouble(town)  # they must find each other through it, too
            town.gather(nodes)
            load = Load(rng)
            began_s = time.monotonic()
            load.pump(nodes, seconds=LASTS_S, every_s=EVERY_S)
            load_s = time.monotonic() - began_s
            load.wait_final(nodes, within_s=ALL_WITHIN_S)
            wait_equal(nodes, within_s=ALL_WITHIN_S)
            equal_s = time.monotonic() - began_s - load_s
            rest = judge(town, load, nodes)
        tell(
            f"{load.count} tasks in {load_s:.0f} s, {dict(load.refused)} refused;"
            f" all {rest.records} records at all nodes {equal_s:.1f} s after the last"
        )
        assert equal_s <= ALL_WITHIN_S

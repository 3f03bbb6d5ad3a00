"""N1: the network falls apart, everybody goes on working, and it comes together again."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import Bed, bed
from tests.chaos.conftest import Tell
from tests.chaos.load import Load, judge
from tests.chaos.shapes import SHAPES
from tests.chaos.sizes import is_long, lasting, times
from tests.loopback.nodes import wait_equal

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(7_200 if is_long() else 240),
]

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank")
DOWN_S = lasting(small=25, listed=60)  # a dead connection is noticed after 10 to 25 s
CYCLES = times(small=1, listed=20)  # two runs of ten
EVERY_S = 0.5
EQUAL_WITHIN_S = 30.0
FINAL_WITHIN_S = 60.0


@pytest.fixture
def town(wired: None, tmp_path: Path, rng: Random) -> Iterator[Bed]:
    with bed(tmp_path, rng) as made:
        yield made


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param("halves", marks=pytest.mark.chaos_ci),
        "majority ring",
        "bridge",
        "isolate one",
    ],
)
def test_a_partition__heals_into_one_log_and_one_verdict(
    shape: str, town: Bed, rng: Random, tell: Tell
) -> None:
    nodes = town.open(*NAMES)
    load = Load(rng)

    for cycle in range(CYCLES):
        load.pump(nodes, seconds=2, every_s=EVERY_S)
        cut = town.cut(SHAPES[shape])
        load.pump(nodes, seconds=DOWN_S, every_s=EVERY_S)
        seen = {node.status()["state_digest"] for node in nodes}
        town.heal()
        healed_s = time.monotonic()
        wait_equal(nodes, within_s=EQUAL_WITHIN_S)
        equal_s = time.monotonic() - healed_s
        load.wait_final(nodes, within_s=FINAL_WITHIN_S)
        tell(
            f"cycle {cycle}: {shape} cut {len(cut)} wires for {DOWN_S:g} s, {len(seen)} digests;"
            f" equal {equal_s:.1f} s after the heal, all final {time.monotonic() - healed_s:.1f} s"
        )
    rest = judge(town, load, nodes)

    tell(f"{load.count} tasks accepted, {dict(load.refused)} refused, {rest.records} records")

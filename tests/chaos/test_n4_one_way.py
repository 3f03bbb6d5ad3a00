"""N4: one of the two ways by which records travel is gone; the other does what it promises."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import Bed, bed
from tests.chaos.conftest import Tell
from tests.chaos.load import Load, judge
from tests.chaos.sizes import is_long, lasting

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(1_800 if is_long() else 240),
]

NAMES = ("alice", "bob", "carol", "dave")
EVERY_S = 0.5
LASTS_S = lasting(small=5, listed=60)
FINAL_WITHIN_S = 120.0  # of a task without gossip: each step of it waits for a comparison
SYNC_PERIOD_S = 10.0  # on average between two comparisons of one node
WATCHED_S = 6.0


@pytest.fixture
def town(wired: None, tmp_path: Path, rng: Random) -> Iterator[Bed]:
    with bed(tmp_path, rng) as made:
        yield made


def open_without(town: Bed, way: str) -> None:
    """Start nodes that lack a way."""
    for name in NAMES:
        node = town.node(name)
        node.module, node.arguments = "tests.chaos.mute_node", (way,)
    town.gather(town.nodes)


@pytest.mark.parametrize(
    "way", [pytest.param("gossip", marks=pytest.mark.chaos_ci), "records"], ids=str
)
def test_without_gossip__sync_alone_makes_all_equal(
    way: str, town: Bed, rng: Random, tell: Tell
) -> None:
    open_without(town, way)
    load = Load(rng)

    load.pump(town.nodes, seconds=LASTS_S, every_s=EVERY_S)
    began_s = time.monotonic()
    load.wait_final(town.nodes, within_s=FINAL_WITHIN_S)
    final_s = time.monotonic() - began_s
    rest = judge(town, load, town.nodes)

    tell(
        f"{load.count} tasks, all final {final_s:.1f} s after the last;"
        f" {rest.records} records, equal {rest.equal_s:.1f} s after the newest"
    )
    assert rest.equal_s <= 3 * SYNC_PERIOD_S


def test_without_sync__gossip_brings_nearly_all(town: Bed, rng: Random, tell: Tell) -> None:
    open_without(town, "sync")
    load = Load(rng)

    load.pump(town.nodes, seconds=LASTS_S, every_s=EVERY_S)
    deadline_s = time.monotonic() + WATCHED_S
    counts: list[int] = []
    while time.monotonic() < deadline_s and (len(counts) < 2 or len(set(counts)) > 1):
        time.sleep(1)
        counts = [node.status()["records"] for node in town.nodes]
    most = max(counts)

    tell(f"{load.count} tasks; records by node {counts}: {min(counts) / most:.2%} of the most")
    assert load.count > 0
    assert all(node.status()["sync"]["sessions"] == 0 for node in town.nodes)
    assert min(counts) >= 0.9 * most

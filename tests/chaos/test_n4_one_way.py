"""N4: one of the two ways by which records travel is gone; the other does what it promises."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import Bed, BedNode, bed
from tests.chaos.conftest import Tell
from tests.chaos.load import Load, judge
from tests.chaos.sizes import is_long, lasting
from tests.loopback.nodes import RealNode

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(1_800 if is_long() else 240),
]

NAMES = ("alice", "bob", "carol", "dave")
EVERY_S = 0.5
LASTS_S = lasting(small=5, listed=60)
SYNC_PERIOD_S = 10.0  # on average between two comparisons of one node
# Without gossip each step of a task waits for a comparison, so a pause of two periods means rest.
QUIET_S = 2 * SYNC_PERIOD_S
REST_WITHIN_S = 180.0
WATCHED_S = 6.0


@pytest.fixture
def town(wired: None, tmp_path: Path, rng: Random) -> Iterator[Bed]:
    with bed(tmp_path, rng) as made:
        yield made


def open_then_mute(town: Bed, way: str) -> list[BedNode]:
    """Start nodes, let all meet, and take a way from them."""
    flag = town.home.with_name("mute")
    nodes = [town.node(name) for name in NAMES]
    for node in nodes:
        node.module, node.arguments = "tests.chaos.mute_node", (way, str(flag))
    town.gather(nodes)
    flag.touch()
    return nodes


@pytest.mark.parametrize(
    "way", [pytest.param("gossip", marks=pytest.mark.chaos_ci), "records"], ids=str
)
def test_without_gossip__sync_alone_makes_all_equal(
    way: str, town: Bed, rng: Random, tell: Tell
) -> None:
    nodes = open_then_mute(town, way)
    published = [counted(node, "gossip_published") for node in nodes]
    load = Load(rng)

    load.pump(nodes, seconds=LASTS_S, every_s=EVERY_S)
    if way == "records":  # where nobody is heard of for long, nobody works, and tasks stay open
        load.wait_final(nodes, within_s=REST_WITHIN_S)
    else:
        assert [counted(node, "gossip_published") for node in nodes] == published
    rest = judge(town, load, nodes, quiet_s=QUIET_S, within_s=REST_WITHIN_S)

    tell(
        f"{load.count} tasks, {rest.final} final; {rest.records} records,"
        f" equal {rest.equal_s:.1f} s after the newest"
    )
    assert rest.equal_s <= 4 * SYNC_PERIOD_S


def test_without_sync__gossip_brings_nearly_all(town: Bed, rng: Random, tell: Tell) -> None:
    nodes = open_then_mute(town, "sync")
    load = Load(rng)

    load.pump(nodes, seconds=LASTS_S, every_s=EVERY_S)
    sessions = [node.status()["sync"]["sessions"] for node in nodes]
    time.sleep(WATCHED_S)  # whatever did not come by now does not come by gossip
    counts = [node.status()["records"] for node in nodes]
    most = max(counts)

    tell(f"{load.count} tasks; records by node {counts}: {min(counts) / most:.2%} of the most")
    assert [node.status()["sync"]["sessions"] for node in nodes] == sessions
    assert min(counts) >= 0.9 * most


def counted(node: RealNode, name: str) -> int:
    """Return one of a node's counters."""
    found: int = node.status()["counters"].get(name, 0)
    return found

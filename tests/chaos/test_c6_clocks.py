"""C6: clocks that are wrong, and clocks that jump; they date records, and decide nothing."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import Bed, bed
from tests.chaos.conftest import Tell
from tests.chaos.load import Load, judge
from tests.chaos.sizes import is_long, lasting, times
from tests.loopback.nodes import wait_equal

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired", "false_clocks"),
    pytest.mark.timeout(7_200 if is_long() else 240),
]

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace")
CROWD = NAMES if is_long() else NAMES[:4]
EVERY_S = 0.5
LASTS_S = lasting(small=6, listed=60)
RUNS = times(small=1, listed=2)
FINAL_WITHIN_S = 60.0
EQUAL_WITHIN_S = 60.0
HOUR_S, DAY_S = 3_600, 86_400
JUMP_S = 262
JUMP_EVERY_S = 4.0 if not is_long() else 10.0
SLACK_S = 60


@pytest.fixture
def town(wired: None, false_clocks: None, tmp_path: Path, rng: Random) -> Iterator[Bed]:
    with bed(tmp_path, rng) as made:
        yield made


def open_with(town: Bed, offsets_s: dict[str, int]) -> None:
    """Start nodes, some of whose clocks are wrong by so much."""
    for name in CROWD:
        node = town.node(name)
        if name in offsets_s:
            node.set_clock(f"{offsets_s[name]:+d}")
    town.gather(town.nodes)


def dated_wrong_s(town: Bed, load: Load, name: str) -> int:
    """Return how far off the date of a node's newest task is, as the first node shows it."""
    document = town.nodes[0].ask(f"/tasks/{load.accepted[name][-1]}")
    return int(document["created_ms"] / 1_000 - time.time())


@pytest.mark.parametrize(
    ("ahead_s", "behind_s"),
    [
        (HOUR_S, -HOUR_S),
        pytest.param(DAY_S, -DAY_S, marks=pytest.mark.chaos_ci),
        (DAY_S, HOUR_S),
        (-DAY_S, -HOUR_S),
    ],
)
def test_wrong_clocks__cost_no_record_and_no_verdict(
    ahead_s: int, behind_s: int, town: Bed, rng: Random, tell: Tell
) -> None:
    offsets_s = dict(zip(rng.sample(CROWD[1:], 2), (ahead_s, behind_s), strict=True))
    open_with(town, offsets_s)
    load = Load(rng)

    for name in offsets_s:
        load.submit(next(node for node in town.nodes if node.name == name))
    load.pump(town.nodes, seconds=LASTS_S, every_s=EVERY_S)
    began_s = time.monotonic()
    load.wait_final(town.nodes, within_s=FINAL_WITHIN_S)
    wait_equal(town.nodes, within_s=EQUAL_WITHIN_S)
    equal_s = time.monotonic() - began_s
    dated = {name: dated_wrong_s(town, load, name) for name in offsets_s}
    rest = judge(town, load, town.nodes)

    tell(
        f"clocks off by {offsets_s} s; {load.count} tasks, {dict(load.refused)} refused;"
        f" all final and equal {equal_s:.1f} s after the last; {rest.records} records"
    )
    assert all(abs(dated[name] - off_s) < SLACK_S for name, off_s in offsets_s.items()), dated


def test_jumping_clocks__cost_no_record_and_no_verdict(town: Bed, rng: Random, tell: Tell) -> None:
    wrong = rng.sample(CROWD[1:], 2)
    open_with(town, dict.fromkeys(wrong, 0))
    jumpers = [node for node in town.bed_nodes if node.name in wrong]
    load = Load(rng)
    jumps = 0

    deadline_s = time.monotonic() + RUNS * lasting(small=16, listed=120)
    while time.monotonic() < deadline_s:
        for node in jumpers:
            twice = rng.choice(("", " x2"))  # now and then it runs twice as fast, too
            node.set_clock(f"{rng.choice((-JUMP_S, 0, JUMP_S)):+d}{twice}")
            jumps += 1
        load.pump(town.nodes, seconds=JUMP_EVERY_S, every_s=EVERY_S)
    began_s = time.monotonic()
    load.wait_final(town.nodes, within_s=FINAL_WITHIN_S)
    wait_equal(town.nodes, within_s=EQUAL_WITHIN_S)
    equal_s = time.monotonic() - began_s
    rest = judge(town, load, town.nodes)

    tell(
        f"{jumps} jumps of {wrong}; {load.count} tasks, {dict(load.refused)} refused;"
        f" all final and equal {equal_s:.1f} s after the last; {rest.records} records"
    )

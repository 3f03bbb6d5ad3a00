"""N5: nodes go for good and new ones come; a newcomer has all there is within a minute."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.bed import Bed, BedNode, bed
from tests.chaos.conftest import Tell
from tests.chaos.fill import copy_log, fill
from tests.chaos.load import Load, judge
from tests.chaos.sizes import is_long, lasting, times
from tests.loopback.nodes import until, wait_equal

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.usefixtures("wired"),
    pytest.mark.timeout(3_600 if is_long() else 240),
]

RECORDS = int(lasting(small=5_000, listed=20_000))
EQUAL_WITHIN_S = 60.0
WIRE_SHARE_MAX = 1.3

CROWD = 7 if is_long() else 5
REPLACE_EVERY_S = lasting(small=10, listed=60 / (0.3 * CROWD))  # 30 % of them a minute
REPLACED = times(small=2, listed=round(10 * 0.3 * CROWD))  # for ten minutes
EVERY_S = 0.5
FINAL_WITHIN_S = 60.0


@pytest.fixture
def town(wired: None, tmp_path: Path, rng: Random) -> Iterator[Bed]:
    with bed(tmp_path, rng) as made:
        yield made


@pytest.mark.chaos_ci
def test_a_newcomer__soon_has_a_long_log_for_little_more_than_its_bytes(
    town: Bed, rng: Random, tell: Tell
) -> None:
    alice, bob, newcomer = (town.node(name) for name in ("alice", "bob", "newcomer"))
    size = fill(alice.directory, genesis=town.genesis, records=RECORDS, rng=rng)
    copy_log(alice.directory, bob.directory, genesis=town.genesis)
    alice.launch()
    alice.wait_serving()
    bob.launch("--bootstrap", alice.address)
    bob.wait_ready()

    began_s = time.monotonic()
    newcomer.launch("--bootstrap", alice.address, "--bootstrap", bob.address)
    newcomer.wait_serving()
    serving_s = time.monotonic() - began_s
    wait_equal([alice, bob, newcomer], within_s=EQUAL_WITHIN_S - serving_s)
    equal_s = time.monotonic() - began_s
    wire = newcomer.wire_bytes(town.wires)
    share = wire / size
    rest = judge(town, Load(rng), [alice, bob, newcomer])

    tell(
        f"{rest.records} records, {size} bytes: equal {equal_s:.1f} s after the start"
        f" ({equal_s - serving_s:.1f} s after it served), {wire} bytes on the wire, {share:.2f}"
    )
    assert rest.records >= RECORDS
    assert share <= WIRE_SHARE_MAX


def test_churn__leaves_those_who_are_there_equal(town: Bed, rng: Random, tell: Tell) -> None:
    town.open(*(f"first{number}" for number in range(CROWD)))
    here: list[BedNode] = town.bed_nodes
    load = Load(rng)

    for number in range(REPLACED):
        began_s = time.monotonic()
        gone = here.pop(rng.randrange(len(here)))
        gone.kill()
        met = rng.sample(here, 2)
        came = town.node(f"new{number}")
        came.launch(*(part for node in met for part in ("--bootstrap", node.address)))
        load.pump(here, seconds=REPLACE_EVERY_S / 2, every_s=EVERY_S)
        came.wait_ready()
        here.append(came)
        left_s = max(EVERY_S, REPLACE_EVERY_S - (time.monotonic() - began_s))
        load.pump(here, seconds=left_s, every_s=EVERY_S)
    began_s = time.monotonic()
    wait_equal(here, within_s=EQUAL_WITHIN_S)
    equal_s = time.monotonic() - began_s
    load.wait_final(here, within_s=FINAL_WITHIN_S)
    until(
        lambda: all(node.status()["peers"] == CROWD - 1 for node in here),
        within_s=FINAL_WITHIN_S,
        what="the dead are forgotten",
    )
    rest = judge(town, load, here)

    tell(
        f"{REPLACED} of {CROWD} replaced, one in {REPLACE_EVERY_S:.0f} s; {load.count} tasks,"
        f" {dict(load.refused)} refused; equal {equal_s:.1f} s after the last,"
        f" {rest.records} records"
    )

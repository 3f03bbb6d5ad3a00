"""Operators with many keys: they come no further than their share of the ranking."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.core.assignment import delay_ms
from node.core.settings import Settings
from node.sim import ballots
from node.sim.cast_sybils import CAST, Copycat, Crowd, HastySybils
from node.sim.host import Host
from node.sim.models import CAPABILITY
from node.sim.odds import PPM, error_ppm
from node.sim.oracle import problems
from node.sim.verdicts import outcomes, tally
from node.sim.world import World
from tests.sim.seeds import seeds

ROOT = Path(__file__).parents[2]
HASHED = """
from node.sim.ballots import with_copycat, with_hasty_keys
print(with_hasty_keys(3, tasks=10, honest=6).trace.hexdigest(), with_copycat(3, tasks=20))
"""


@pytest.mark.parametrize("cast", sorted(CAST))
def test_keys__break_no_promise_to_others(cast: str) -> None:
    world = World(4)
    for _ in range(6):
        world.add(Host)
    world.add(CAST[cast]).hold(5)
    world.wire(3)
    world.boot()
    world.run(ballots.WARM_UP_MS)

    ballots.ask(world, range(6), 16, seats=3, together=4)
    world.run(60_000)

    assert problems(world) == []
    assert outcomes(world).final == 16


def test_tally__counts_held_keys_and_not_the_one_that_keeps_their_log() -> None:
    world = World(4)
    world.add(Host)
    world.add(Crowd).hold(4)
    world.wire(2)
    world.boot()
    world.run(ballots.WARM_UP_MS)
    ballots.ask(world, [0], 6, seats=3, together=6)

    honest, crowd = tally(world)

    assert (honest.keys, honest.seats) == (1, 0)
    assert (crowd.keys, crowd.seats) == (4, 18)


@pytest.mark.parametrize("seed", seeds(100, usual=1))
def test_silent_keys__cost_time_and_no_verdict(seed: int) -> None:
    world = ballots.with_silent_keys(seed, keys=120, tasks=4, honest=5)

    found = outcomes(world)

    patient = Settings()
    longest_ms = delay_ms(125, seats=3, step_ms=patient.step_ms) + patient.commit_window_ms
    assert world.hosts[0].machine is not None
    assert len(world.hosts[0].machine.presences.live(world.hosts[0].now().ms)) > 120
    assert (found.final, found.wrong) == (found.tasks, 0)
    assert found.final_ms_p99 <= longest_ms


@pytest.mark.parametrize("seed", seeds(100, usual=2))
def test_hasty_keys__sit_where_it_is_their_turn_and_nowhere_else(seed: int) -> None:
    world = ballots.with_hasty_keys(seed, tasks=60, honest=10)

    hasty = next(one for one in tally(world) if one.cast == "hasty")

    assert hasty.seats > 0
    assert ballots.seated_out_of_turn(world) == 0


@pytest.mark.parametrize("seed", seeds(50, usual=1))
def test_hasty_keys__do_not_keep_stand_bys_away(seed: int) -> None:
    """However many answer at once: a seat falls to a group whose turn it was, and to no later."""
    world = World(seed)
    for _ in range(16):
        world.add(Host, capabilities=() if world.hosts == [] else (CAPABILITY,))
    world.add(HastySybils).hold(12)
    world.wire(6)
    world.boot()
    world.run(ballots.WARM_UP_MS)
    dead = world.hosts[1:6]
    for host in dead:
        host.crash()

    ballots.ask(world, [0], 40, seats=3, together=40)

    assert outcomes(world).final == 40
    assert ballots.seated_too_late(world, without=[host.key for host in dead]) == 0


@pytest.mark.parametrize("seed", seeds(50, usual=1))
def test_copycat__agrees_no_more_often_than_the_best_constant_guess(seed: int) -> None:
    copied = ballots.with_copycat(seed, tasks=400)

    opened = copied.agreed + copied.dissented
    guess_ppm = max(copied.positive, copied.tasks - copied.positive) * PPM // copied.tasks
    assert all(copied.tried[plan] > 0 for plan in Copycat.plans)
    assert copied.opened_early == 0
    assert copied.retry_seats == 0
    assert opened > 100
    assert copied.agreed * PPM // copied.seats <= guess_ppm
    assert copied.agreed * PPM // opened <= guess_ppm + 3 * error_ppm(guess_ppm, tasks=opened)


def test_copycat__gets_nothing_for_what_another_sealed() -> None:
    class Replayer(Copycat):
        plans = ("replay",)

    copied = ballots.with_copycat(1, tasks=60, kind=Replayer)

    assert copied.tried == {"replay": 60}
    assert copied.seats > 0
    assert copied.agreed == copied.dissented == 0


def test_copycat__has_no_seat_if_it_waits_for_an_opened_answer() -> None:
    class Waiter(Copycat):
        plans = ("wait",)

    copied = ballots.with_copycat(1, tasks=60, kind=Waiter)

    assert copied.tried == {"wait": 60}
    assert copied.seats == 0


def test_copycat__earns_by_copying_when_a_task_is_tried_again() -> None:
    """A limit, not a promise: answers that were opened are no secret at the next attempt."""
    copied = ballots.with_copycat(3, tasks=120, withholders=2)

    assert copied.retry_seats > 0
    assert copied.retry_agreed * 4 > copied.retry_seats * 3


def test_trace__does_not_depend_on_the_hash_seed() -> None:
    traces = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", HASHED],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        traces.add(done.stdout)

    assert len(traces) == 1

"""C5 and C6: processes that stand still for a while, and clocks that are off, drift and jump."""

import pytest

from consensus import layout
from node.sim.host import Host
from node.sim.oracle import problems
from node.sim.trial import run_trial
from node.sim.weather import HOUR_MS, Weather
from node.sim.world import World
from tests.sim.seeds import seeds

DAY_MS = 24 * HOUR_MS
TWICE = 1_000_000
WARM_MS = 15_000
CLOCKS = {
    "an hour off": Weather(minutes=3, offset_ms=HOUR_MS, jump_every_ms=10_000),
    "a day off": Weather(minutes=3, offset_ms=DAY_MS, jump_every_ms=10_000),
    "twice as fast": Weather(minutes=3, drift_ppm=TWICE, jump_every_ms=10_000),
    "jumping all the time": Weather(minutes=3, offset_ms=1_000, jump_every_ms=200),
}
# A minute by the slowest clock.
HEALED_WITHIN_MS = dict.fromkeys(CLOCKS, 60_000) | {"twice as fast": 120_000}


@pytest.mark.parametrize("seed", seeds(100, usual=2))
def test_pause__of_some_hosts_again_and_again_breaks_nothing(seed: int) -> None:
    weather = Weather(minutes=5, pause_every_ms=15_000, pause_ms=60_000, task_every_ms=2_500)

    trial = run_trial(seed, weather=weather)

    assert trial.problems == (), trial.report()
    assert trial.counts.sometimes["a process was stopped for a while"] >= 10
    assert trial.healed_ms <= 45_000, trial.report()


@pytest.mark.parametrize("seed", seeds(100, usual=2))
def test_pause__of_two_hosts_for_a_minute_is_made_good_in_45_seconds(seed: int) -> None:
    world = World(seed, run_jitter_ms=200)
    for _ in range(7):
        world.add(Host)
    world.wire(4)
    world.boot()
    world.run(WARM_MS)

    for _ in range(3):
        for host in world.dice.sample(world.hosts, 2):
            host.paused_until_ms = world.schedule.now_ms + 60_000
        for number in range(30):
            world.users.ask(world.dice.below(7), b"%d %d" % (world.schedule.now_ms, number))
            world.run(2_000)
    world.run(45_000)

    assert problems(world) == []


@pytest.mark.parametrize("seed", seeds(75, usual=2))
@pytest.mark.parametrize("clocks", CLOCKS)
def test_clocks__that_are_wrong_break_no_promise_and_blame_nobody(clocks: str, seed: int) -> None:
    trial = run_trial(seed, weather=CLOCKS[clocks])

    assert trial.problems == (), trial.report()
    assert trial.counts.sometimes["a clock jumped"] >= 10
    assert trial.healed_ms <= HEALED_WITHIN_MS[clocks], trial.report()


@pytest.mark.parametrize("seed", seeds(20, usual=2))
@pytest.mark.parametrize("ahead_ms", [61_000, HOUR_MS, DAY_MS])
def test_clocks__that_are_ahead_delay_records_and_lose_none(ahead_ms: int, seed: int) -> None:
    """In a chain nobody relays what one end says, but every log has it by sync."""
    world = World(seed)
    hosts = [world.add(Host) for _ in range(4)]
    for index in range(3):
        world.net.link(index, index + 1, 20)
    hosts[0].clock.offset_ms = ahead_ms
    world.boot()
    world.run(WARM_MS)

    world.users.ask(0, b"from the future")
    world.run(500)
    near, far = (len(list(hosts[index].rows.scan(layout.TASK))) for index in (1, 3))
    world.run(90_000)

    assert (near, far) == (1, 0)
    assert problems(world) == []


def test_clocks__that_are_ahead_by_no_more_than_the_skew_delay_nothing() -> None:
    world = World(1)
    hosts = [world.add(Host) for _ in range(4)]
    for index in range(3):
        world.net.link(index, index + 1, 20)
    hosts[0].clock.offset_ms = 59_000
    world.boot()
    world.run(WARM_MS)

    world.users.ask(0, b"from the near future")
    world.run(500)

    assert [len(list(host.rows.scan(layout.TASK))) for host in hosts] == [1, 1, 1, 1]

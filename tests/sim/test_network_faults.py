"""N1 to N4: networks that are cut, clogged, lossy, or half dumb."""

from itertools import pairwise

import pytest

from node.sim.oracle import are_equal, problems
from node.sim.storm import Storm
from node.sim.trial import make_world, run_trial
from node.sim.weather import Weather
from node.sim.world import World
from tests.sim.deliveries import Timed, lacking, share, waits_ms
from tests.sim.seeds import seeds

WARM_MS = 15_000
DIALS = 8  # in a small network that is nearly everyone
SYNC_PERIOD_MS = 10_000  # a node compares with somebody about so often
BOTH_WAYS = ("halves", "majority ring", "bridge", "isolate one")


def a_town(seed: int, *, hosts: int = 7) -> World:
    """Return a world of honest hosts that note when records come, warm and in fair air."""
    world = World(seed, run_jitter_ms=200)
    for _ in range(hosts):
        world.add(Timed)
    world.wire(DIALS, delay_ms=(10, 500))
    world.boot()
    world.run(WARM_MS)
    return world


def ask(world: World, count: int, *, each_ms: int = 1_000) -> None:
    """Let users ask at random hosts."""
    for number in range(count):
        asked = f"{world.schedule.now_ms} {number}".encode()
        world.users.ask(world.dice.below(len(world.hosts)), asked)
        world.run(each_ms)


@pytest.mark.parametrize("seed", seeds(125, usual=1))
@pytest.mark.parametrize("shape", BOTH_WAYS)
def test_partition__heals_within_three_sync_periods(shape: str, seed: int) -> None:
    """Ten hosts, cut for a minute, together for some seconds, cut again, and so on."""
    weather = Weather(
        nodes=10, minutes=5, dials=4, cut_every_ms=5_000, cut_ms=60_000, shapes=(shape,)
    )

    trial = run_trial(seed, weather=weather)

    assert trial.problems == (), trial.report()
    assert trial.counts.sometimes[f"the network was cut: {shape}"] >= 4
    assert trial.healed_ms <= 3 * SYNC_PERIOD_MS, trial.report()


@pytest.mark.parametrize("seed", seeds(300, usual=2))
def test_one_way__and_clogged_links_hold_up_none_but_the_victim(seed: int) -> None:
    weather = Weather(minutes=3, dials=4, clog_every_ms=5_000, clog_ms=20_000)
    world = make_world(seed, weather)
    victim, *rest = world.hosts
    deaf = [(host.index, victim.index) for host in rest]
    for one, other in pairwise(rest):  # they can do without the victim
        world.net.link(one.index, other.index, 30)
    storm = Storm(world, weather)
    world.boot()
    world.run(WARM_MS)
    storm.begin()
    world.net.cut(deaf)
    while world.schedule.now_ms < weather.storm_ms:
        ask(world, 1, each_ms=3_000)
    storm.calm()
    world.net.cut(deaf)  # the links are free again, but nothing comes to the victim yet

    world.run(30_000)
    assert are_equal(rest)
    assert not are_equal(world.hosts)
    world.net.mend()
    world.run(60_000)

    assert world.counts.sometimes["links were clogged"] >= 20
    assert problems(world) == []


@pytest.mark.parametrize("seed", seeds(400, usual=2))
def test_bad_links__bring_every_record_everywhere_within_two_minutes(seed: int) -> None:
    world = a_town(seed)
    air, dice = world.net.air, world.dice
    air.loss_ppm, air.repeat_ppm = dice.below(300_001), dice.below(500_001)
    air.jitter_ms = dice.between(10, 490)

    ask(world, 30, each_ms=2_000)
    world.run(120_000)

    assert problems(world) == []
    assert lacking(world) == 0
    assert waits_ms(world)[-1] <= 120_000


@pytest.mark.parametrize("seed", seeds(100, usual=1))
def test_bad_links__bring_99_of_100_records_within_ten_seconds_at_a_fifth_lost(seed: int) -> None:
    world = a_town(seed)
    world.net.air.loss_ppm, world.net.air.jitter_ms = 200_000, 300

    ask(world, 60)
    world.run(60_000)

    assert lacking(world) == 0
    assert share(waits_ms(world), 99) <= 10_000


@pytest.mark.parametrize("seed", seeds(200, usual=2))
def test_sync_alone__brings_every_record_everywhere(seed: int) -> None:
    world = a_town(seed)
    world.net.air.gossip = False
    begun_ms = world.schedule.now_ms

    ask(world, 20)
    asked_ms = world.schedule.now_ms
    world.run(3 * SYNC_PERIOD_MS)

    assert world.counts.sessions["moved"] > 0
    assert lacking(world, since_ms=begun_ms, until_ms=asked_ms) == 0
    assert waits_ms(world, since_ms=begun_ms)[-1] <= 3 * SYNC_PERIOD_MS
    world.net.air.gossip = True  # who is here is told by gossip alone, so tasks had to wait
    world.run(90_000)
    assert lacking(world) == 0
    assert problems(world) == []


@pytest.mark.parametrize("seed", seeds(20, usual=1))
def test_gossip_alone__brings_every_record_everywhere_in_fair_air(seed: int) -> None:
    world = a_town(seed)
    world.net.air.sync = False
    begun_ms = world.schedule.now_ms

    ask(world, 30)
    world.run(10_000)

    assert lacking(world, since_ms=begun_ms) == 0
    assert share(waits_ms(world, since_ms=begun_ms), 99) <= 2_000

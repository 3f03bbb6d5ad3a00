"""What a storm is made of: shapes of partitions, traps between effects, and an end to all of it."""

import pytest

from node.core import effects as fx
from node.sim import trap
from node.sim.dice import Dice
from node.sim.host import Host
from node.sim.shapes import SHAPES, Pairs
from node.sim.storm import Storm
from node.sim.trap import POINTS, Trap
from node.sim.trial import make_world
from node.sim.weather import Weather
from node.sim.world import World
from protocol.statements import Commit, Profile

WARM_MS = 15_000
COUNTS = range(4, 12)  # a ring of three in which each hears two is whole
STORMY = Weather(
    minutes=1,
    loss_ppm=100_000,
    clog_every_ms=2_000,
    clog_ms=20_000,
    cut_every_ms=2_000,
    cut_ms=5_000,
    kill_every_ms=3_000,
    trap_every_ms=2_000,
    pause_every_ms=3_000,
    pause_ms=60_000,
    full_every_ms=3_000,
    full_ms=20_000,
    failed_ppm=500_000,
)


def heard_by(count: int, cut: Pairs) -> list[set[int]]:
    """Return whom each host still hears, itself included."""
    return [{one for one in range(count) if (one, host) not in cut} for host in range(count)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shape__cuts_different_hosts_apart_and_the_same_for_the_same_dice(
    shape: str, count: int
) -> None:
    cut = SHAPES[shape](range(count), Dice("a", count))

    assert cut == SHAPES[shape](range(count), Dice("a", count))
    assert len(set(cut)) == len(cut) > 0
    assert all(one != other for one, other in cut)
    if shape != "one way":
        assert {(other, one) for one, other in cut} == set(cut)


@pytest.mark.parametrize("count", COUNTS)
def test_shape__leaves_whom_its_name_says(count: int) -> None:
    heard = {
        shape: heard_by(count, cut(range(count), Dice(shape, count)))
        for shape, cut in SHAPES.items()
    }

    assert sorted({len(one) for one in heard["halves"]}) == sorted({count // 2, -(-count // 2)})
    assert [len(one) for one in heard["isolate one"]].count(1) == 1
    assert sorted(map(len, heard["one way"])) == [1] + [count] * (count - 1)
    assert [len(one) for one in heard["bridge"]].count(count) == 1
    assert all(2 * len(one) > count for one in heard["majority ring"])
    assert len({frozenset(one) for one in heard["majority ring"]}) > 1


def run_with_trap(point: trap.Point, says: type[Profile | Commit] | None) -> tuple[Host, Trap, int]:
    """Let a host end at a point while it commits to answers; return it, and its journal then."""
    world = World(1)
    for _ in range(4):
        world.add(Host)
    world.wire(3)
    world.boot()
    world.run(WARM_MS)
    host = world.hosts[1]
    before = len(host.journal)
    host.trap = sprung = Trap(host, point, says=says)
    for number in range(4):
        world.users.ask(0, b"%d" % number)
        world.run(1_000)
    return host, sprung, len(host.journal) - before


@pytest.mark.parametrize("point", [one for one in POINTS if one.kind is not fx.Reply])
def test_trap__ends_a_host_at_its_point_and_nowhere_else(point: trap.Point) -> None:
    host, sprung, written = run_with_trap(point, None)

    assert sprung.is_sprung
    assert not host.is_up
    if point is trap.BEFORE_JOURNAL:
        assert written == 0
    elif point.moment is not None and point.kind in (fx.Journal, fx.Append):
        assert written == 1 or point.kind is fx.Append


def test_trap__waits_for_what_it_is_to_hear() -> None:
    _, for_commit, _ = run_with_trap(trap.AFTER_JOURNAL, Commit)
    still_up, for_profile, _ = run_with_trap(trap.AFTER_JOURNAL, Profile)

    assert for_commit.is_sprung
    assert not for_profile.is_sprung
    assert still_up.is_up


def test_trap__tells_a_journaled_word_from_one_that_left() -> None:
    counts = {}
    for point in (trap.BEFORE_JOURNAL, trap.AFTER_JOURNAL, trap.BEFORE_PUBLISH, trap.AFTER_PUBLISH):
        host, _, _ = run_with_trap(point, Commit)
        counts[point] = host.world.counts.sometimes.get("a crash between journal and publish", 0)

    assert counts == {
        trap.BEFORE_JOURNAL: 0,
        trap.AFTER_JOURNAL: 1,
        trap.BEFORE_PUBLISH: 1,
        trap.AFTER_PUBLISH: 0,
    }


def test_calm__ends_every_fault_and_leaves_everybody_up() -> None:
    world = make_world(1, STORMY)
    storm = Storm(world, STORMY)
    world.boot()
    storm.begin()
    world.run(STORMY.storm_ms)
    storm.calm()
    saw = dict(world.counts.sometimes)
    world.run(60_000)

    air = world.net.air
    assert (air.loss_ppm, air.repeat_ppm, air.jitter_ms) == (0, 0, 0)
    assert not air.cut
    assert not air.clogged
    assert all(host.machine is not None and host.trap is None for host in world.hosts)
    assert not any(host.disk_full for host in world.hosts)
    assert all(host.paused_until_ms <= STORMY.storm_ms for host in world.hosts)
    for name in ("a process was killed", "a full disk stopped a write", "links were clogged"):
        assert world.counts.sometimes[name] == saw[name] > 0

"""Everybody at once: every kind of cheat among hosts that crash, in a network that breaks."""

import pytest

from node.sim.cast_cheats import CHEATS, JuryFlooder
from node.sim.cast_floods import PresenceReplayer, Replayer
from node.sim.cast_liars_in_sync import SyncLiar
from node.sim.cast_voters import ConstantLiar, Lazy
from node.sim.forge import Restless
from node.sim.host import Host
from node.sim.oracle import problems
from node.sim.world import World
from tests.sim.seeds import seeds

HONEST = 14
WARM_MS = 15_000
CALM_MS = 120_000
FLOOD = 300


def a_crowd(seed: int) -> World:
    """Return a warm world with one cheat of every kind, and two more who vote badly."""
    world = World(seed, run_jitter_ms=300)
    for _ in range(HONEST):
        world.add(Host)
    for kind in (*CHEATS.values(), SyncLiar, ConstantLiar, Lazy):
        world.add(kind)
    world.wire(4)
    world.net.air.loss_ppm = 50_000
    world.net.air.jitter_ms = 100
    world.boot()
    world.run(WARM_MS)
    return world


def crash_one(world: World) -> None:
    """End some honest host at once, and start it again soon."""
    host = world.hosts[world.dice.below(HONEST)]
    host.crash()
    world.schedule.after(world.dice.below(8_000), host.boot)


def cut_in_two(world: World) -> None:
    """Cut the honest hosts into two parts; every cheat reaches both."""
    order = list(range(HONEST))
    world.dice.shuffle(order)
    at = world.dice.between(2, HONEST - 2)
    world.net.cut((a, b) for a in order[:at] for b in order[at:])
    world.net.cut((b, a) for a in order[:at] for b in order[at:])


@pytest.mark.parametrize("seed", seeds(100, usual=1))
def test_cheats_of_every_kind_at_once__break_no_promise(seed: int) -> None:
    world = a_crowd(seed)
    for host in world.hosts:
        if isinstance(host, JuryFlooder):
            host.begin(FLOOD, each_ms=50)

    for count in range(8):
        world.users.ask(world.dice.below(HONEST), b"in a crowd %d" % count)
        world.users.ask(world.dice.between(HONEST, len(world.hosts) - 1), b"a trap %d" % count)
        if count % 3 == 1:
            crash_one(world)
        if count == 2:
            cut_in_two(world)
        world.run(2_500)
    world.net.air.loss_ppm = 0
    world.net.mend()
    for host in world.hosts:
        if isinstance(host, Restless) and not isinstance(host, PresenceReplayer | Replayer):
            host.rest()
    world.run(CALM_MS)

    assert problems(world) == []

"""B1 and B2: whoever signs two juries voids its own task, on every node, by the same two juries."""

import pytest

from consensus.log import faults_of, find_verdict, juries_of
from consensus.verdict import State
from node.sim.cast_cheats import Equivocator
from node.sim.host import Host
from node.sim.oracle import problems
from node.sim.world import World
from protocol.sealing import statement_digest
from tests.sim.seeds import seeds

WARM_MS = 15_000
CALM_MS = 60_000
HONEST = 7


def a_town(seed: int) -> tuple[World, list[Equivocator]]:
    """Return a world with two equivocators, one of which all know, and lossy links."""
    world = World(seed, run_jitter_ms=200)
    for _ in range(HONEST):
        world.add(Host)
    liars = [world.add(Equivocator) for _ in range(2)]
    world.wire(4)
    for index in range(HONEST):
        world.net.link(HONEST, index, 30)
    world.net.air.loss_ppm = 50_000
    world.net.air.jitter_ms = 50
    world.boot()
    world.run(WARM_MS)
    return world, liars


def divide(world: World) -> None:
    """Cut the honest into two halves; whoever lies reaches both."""
    honest = [host.index for host in world.hosts if host.is_honest]
    world.dice.shuffle(honest)
    left, right = honest[: len(honest) // 2], honest[len(honest) // 2 :]
    world.net.cut(
        (a, b) for one, other in ((left, right), (right, left)) for a in one for b in other
    )


@pytest.mark.parametrize("seed", seeds(300, usual=3))
def test_equivocation__voids_the_same_tasks_by_the_same_two_juries_everywhere(seed: int) -> None:
    world, liars = a_town(seed)
    if world.dice.chance(700_000):
        divide(world)
    for count in range(4):
        world.users.ask(world.dice.below(HONEST), b"honest %d" % count)
        for liar in liars:
            world.users.ask(liar.index, b"twofold %d" % count)
        world.run(2_000)
    world.run(20_000)
    world.net.air.loss_ppm = 0
    world.net.mend()
    world.run(CALM_MS)

    assert problems(world) == []
    honest = [host for host in world.hosts if host.is_honest]
    assert any(liar.void for liar in liars)
    for liar in liars:
        for host in honest:
            for task_id, juries in liar.juries.items():
                proof = sorted({statement_digest(jury) for jury in juries})[:2]
                kept = [statement_digest(jury) for jury in juries_of(host.rows, task_id, liar.key)]
                assert kept == proof, f"{host.name} keeps other juries of {liar.name}"
                verdict = find_verdict(host.rows, task_id)
                assert verdict is not None
                assert (verdict.state is State.VOID) == (task_id in liar.void)
            assert faults_of(host.rows).get(liar.key, 0) == len(liar.void)

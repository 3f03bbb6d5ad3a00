"""A crowd that starts within a second: everybody is known, and no task costs more for it."""

import pytest

from node.sim.ballots import ask
from node.sim.host import Host
from node.sim.verdicts import outcomes
from node.sim.world import World
from tests.sim.seeds import seeds

NODES = 80
KNOWN_MS = 5_000  # of the start; the next interval begins after ten


@pytest.mark.parametrize("seed", seeds(20, usual=2))
def test_start__lets_everybody_know_everybody_within_seconds(seed: int) -> None:
    world = World(seed, loaded_ms=0)
    for _ in range(NODES):
        world.add(Host)
    world.wire(3)
    world.boot(within_ms=1_000)
    world.run(KNOWN_MS)
    known = [
        len(host.machine.presences.live(host.now().ms)) for host in world.hosts if host.machine
    ]

    ask(world, range(NODES), 20, seats=3, together=5)

    assert min(known) == NODES - 1
    assert outcomes(world).runs_per_task <= 3.5

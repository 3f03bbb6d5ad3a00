"""B4: logs become equal by comparing them alone, among forty peers that say and answer nothing."""

from itertools import combinations

import pytest

from node.core import effects as fx
from node.sim.message import Message
from node.sim.oracle import problems
from node.sim.world import World
from tests.sim.deliveries import Timed, lacking, share, waits_ms
from tests.sim.seeds import seeds

HONEST, SYBILS = 10, 40
LONG_MS = 60_000
WARM_MS = 15_000
WITHIN_MS = 30_000  # 99 of 100, though nothing is gossiped; all the others in twice that
LURED = 3  # Sybils that an honest host dialled itself


class Mute(Timed):
    """Is connected, passes nothing on, and lets every question wait until it is given up."""

    cast = "mute"
    is_honest = False

    def hear(self, message: Message, sender: int) -> None:
        """Say and keep nothing."""

    def meet(self, raws: list[bytes], sender: int) -> None:
        """Say and keep nothing."""

    def publish(self, channel: fx.Channel, data: bytes) -> None:
        """Say nothing."""

    def answer(self, stream: str, asker: int, request: bytes) -> bytes | None:
        """Answer when nobody waits any more."""
        self.syncing.drags_ms = LONG_MS
        return None


def a_crowd(seed: int) -> World:
    """Return honest hosts that are all connected, among silent ones that are connected to each."""
    world = World(seed, run_jitter_ms=200)
    honest: list[Timed] = [world.add(Timed) for _ in range(HONEST)]
    mute: list[Timed] = [world.add(Mute) for _ in range(SYBILS)]
    for one in honest:
        lured = world.dice.sample(mute, LURED)
        for other in mute:
            pair = (one.index, other.index) if other in lured else (other.index, one.index)
            world.net.link(*pair, world.dice.between(10, 100))
    for one, other in combinations(honest, 2):
        pair = (one.index, other.index) if world.dice.below(2) else (other.index, one.index)
        world.net.link(*pair, world.dice.between(10, 100))
    world.boot()
    world.run(WARM_MS)
    return world


@pytest.mark.parametrize("seed", seeds(100, usual=1))
def test_sync__closes_all_that_gossip_lost_among_silent_peers(seed: int) -> None:
    world = a_crowd(seed)
    world.net.air.gossip = False
    begun_ms = world.schedule.now_ms

    for number in range(20):
        world.users.ask(world.dice.below(HONEST), f"{seed} {number}".encode())
        world.run(1_000)
    asked_ms = world.schedule.now_ms
    world.run(2 * WITHIN_MS)
    waits = waits_ms(world, since_ms=begun_ms)
    left = lacking(world, since_ms=begun_ms, until_ms=asked_ms)

    print(f"seed {seed}: {len(waits)} deliveries, half in {share(waits, 50) / 1e3:.1f} s,", end=" ")
    print(f"99 of 100 in {share(waits, 99) / 1e3:.1f} s, all in {waits[-1] / 1e3:.1f} s")
    assert left == 0
    assert share(waits, 99) <= WITHIN_MS
    world.net.air.gossip = True
    world.run(90_000)
    assert problems(world) == []

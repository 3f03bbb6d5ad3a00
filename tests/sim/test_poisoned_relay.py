"""B8: whatever strangers say, those who are honest find no fault with each other."""

import random
from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from libp2p.peer.id import ID

from node.core import effects as fx
from node.net.limits import NetLimits
from node.net.penalties import Penalties
from node.net.standing import SILENCE_S, Standing
from node.sim.cast_cheats import Equivocator
from node.sim.cast_floods import Backdater, PresenceReplayer, Replayer
from node.sim.forge import Restless
from node.sim.host import Host
from node.sim.message import Message
from node.sim.oracle import problems
from node.sim.world import World
from protocol.keys import Signer
from tests.poisons import DAY_MS, Poison, Poisoner
from tests.sim.seeds import is_share_given, seeds

HONEST = 7
WORK_BITS = 2
MINUTES = 30 if is_share_given() else 4
ASK_EVERY_MS = 20_000
LOOK_MS = 1_000
LIMITS = NetLimits()


class Judging(Host):
    """An honest host that keeps the score of its neighbours as the door of a real node does.

    A neighbour counts as speaking when it sends: copies that would come second are not carried.

    Attributes:
        rejected: How many messages it rejected, by who brought them and why.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.rejected: Counter[tuple[int, str]] = Counter()
        self._penalties = Penalties(
            faults_max=LIMITS.rejects_max, window_s=LIMITS.reject_window_s, ban_s=LIMITS.ban_s
        )
        self.standing = Standing(fault_count=self._faults, clock=self._now_s)

    def met(self, other: int, *, outbound: bool) -> None:
        """Begin to wait for a neighbour's first word."""
        self.standing.meet(name_of(other))
        super().met(other, outbound=outbound)

    def lost(self, other: int) -> None:
        """Forget when it spoke."""
        self.standing.forget(name_of(other))
        super().lost(other)

    def hear(self, message: Message, sender: int) -> None:
        """Take a message, and note the verdict."""
        if message.refused:
            self.rejected[sender, message.refused] += 1
            self._penalties.blame(str(name_of(sender)), self._now_s())
        self.standing.spoke(name_of(sender))
        super().hear(message, sender)

    def publish(self, channel: fx.Channel, data: bytes) -> None:
        """Send a message out."""
        super().publish(channel, data)
        self._spoke()

    def _relay(self, word: fx.Word) -> None:
        super()._relay(word)
        if word is fx.Word.ACCEPT:
            self._spoke()

    def _spoke(self) -> None:
        for peer in self.routes:
            neighbour = self.world.hosts[peer]
            if isinstance(neighbour, Judging):
                neighbour.standing.spoke(name_of(self.index))

    def _faults(self, peer: ID) -> int:
        return self._penalties.fault_count(str(peer), self._now_s())

    def _now_s(self) -> float:
        return self.world.schedule.now_ms / 1_000


class Poisoning(Restless):
    """Says one message of every kind after the other.

    Attributes:
        said: How often each kind was said, by whether a node rejected it.
    """

    cast = "poisoner"
    every_ms = 700

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.said: Counter[tuple[str, bool, bool]] = Counter()
        rng = random.Random(f"{self.world.seed} {self.index}")
        self._poisoner = Poisoner(self.world.network, self.another_key("poison"), rng)
        self._left: list[Poison] = []

    def act(self) -> None:
        """Say the next one."""
        if not self._left:
            self._left = list(self._poisoner.all(self.wall_ms()))
        one = self._left.pop(0)
        message = self.world.net.publish(self, one.channel, one.data)
        self.said[one.kind, one.is_wrong, bool(message.refused)] += 1


def every_kind(world: World) -> list[Poison]:
    some_key = Signer(bytes(32))
    return list(Poisoner(world.network, some_key, random.Random(0)).all(DAY_MS))


def name_of(index: int) -> ID:
    return ID(b"host %d" % index)


def a_crowd(seed: int) -> World:
    """Return a warm world of honest hosts that all know each other, and of those who poison it."""
    world = World(seed, run_jitter_ms=200, work_bits=WORK_BITS)
    for _ in range(HONEST):
        world.add(Judging)
    for kind in (Poisoning, Poisoning, Backdater, PresenceReplayer, Replayer, Equivocator):
        world.add(kind)
    for one, other in combinations(range(HONEST), 2):
        world.net.link(one, other, world.dice.between(10, 100))
    for bad in range(HONEST, len(world.hosts)):
        for one in world.dice.sample(range(HONEST), world.dice.between(1, HONEST)):
            world.net.link(bad, one, world.dice.between(10, 100))
    world.boot()
    world.run(15_000)
    return world


@pytest.mark.parametrize("seed", seeds(200, usual=1))
def test_poison__has_no_honest_host_reject_or_blame_another(seed: int) -> None:
    world = a_crowd(seed)
    judges = [host for host in world.hosts if isinstance(host, Judging)]
    lowest = 0.0
    for number in range(MINUTES * 60_000 // LOOK_MS):
        if number % (ASK_EVERY_MS // LOOK_MS) == 0:
            world.users.ask(world.dice.below(HONEST), f"{seed} {number}".encode())
        world.run(LOOK_MS)
        scores = [
            one.standing.score(name_of(other))
            for one in judges
            for other in one.routes
            if other < HONEST
        ]
        lowest = min(lowest, *scores)
    for host in world.hosts:
        if isinstance(host, Restless):
            host.rest()
    world.run(60_000)

    said: Counter[tuple[str, bool, bool]] = Counter()
    for host in world.hosts:
        if isinstance(host, Poisoning):
            said += host.said
    among_honest = {
        (judge.name, sender, why): times
        for judge in judges
        for (sender, why), times in judge.rejected.items()
        if sender < HONEST
    }
    rejected = sum(sum(judge.rejected.values()) for judge in judges)
    print(f"seed {seed}: {said.total()} messages, {len(said)} kinds, rejected {rejected} times")
    assert [key for key in said if key[1] != key[2]] == []
    assert {kind for kind, _, _ in said} == {one.kind for one in every_kind(world)}
    assert rejected >= sum(times for (_, is_wrong, _), times in said.items() if is_wrong)
    assert among_honest == {}
    assert lowest == 0
    assert MINUTES * 60 > SILENCE_S
    assert problems(world) == []

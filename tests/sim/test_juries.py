"""B1 and B2: whoever signs two juries voids its own task, on every node, by the same two juries."""

from functools import cache

import pytest

from consensus.log import faults_of, find_verdict, juries_of, record_count
from consensus.verdict import State
from node.core import effects as fx
from node.core import events as ev
from node.core.machine import Machine
from node.sim.cast_cheats import Equivocator, JuryFlooder
from node.sim.dice import Dice
from node.sim.disk import SimRows
from node.sim.host import Host
from node.sim.oracle import problems
from node.sim.world import World
from protocol.ids import Commitment, PeerId, PublicKey, sha256
from protocol.keys import Signer
from protocol.params import NetworkParams, network_of
from protocol.record import Verified, seal
from protocol.sealing import statement_digest, task_id_of
from protocol.statements import Jury, Seat, Task
from tests.sim.seeds import seeds

WARM_MS = 15_000
CALM_MS = 60_000
HONEST = 7
FLOOD = 10_000
NETWORK = network_of(NetworkParams(genesis=b"\x02" * 16, name="flooded"))
AN, BO = Signer(sha256(b"an")), Signer(sha256(b"bo"))
TASK = Task(bytes(16), "sentiment", bytes(32), b"a flood", 3, 0, b"")
TASK_ID = task_id_of(NETWORK.network_id, AN.public_key, TASK)


class Relaying(Host):
    """An honest host that counts the juries it passes on, by author."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.relayed: dict[PublicKey, int] = {}

    def _do(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Relayed) and effect.word is fx.Word.ACCEPT and self._relaying:
            for record in self._relaying[0].records:
                if record.jury is not None:
                    self.relayed[record.author] = self.relayed.get(record.author, 0) + 1
        super()._do(effect)


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


@pytest.mark.parametrize("seed", seeds(300, usual=2))
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


def a_jury_record(number: int, *, again: int = 0) -> Verified:
    """Return one of any number of juries for one task; `again` dates the same one anew."""
    seat = Seat(PublicKey(sha256(b"juror", b"%d" % number)), Commitment(bytes(32)))
    jury = Jury(TASK_ID, (seat,))
    return seal([jury], signer=AN, created_ms=1_000 + again, network=NETWORK)


@cache
def a_flood() -> list[Verified]:
    """Return `FLOOD` different juries for one task, ascending as the join orders them."""
    return sorted(map(a_jury_record, range(FLOOD)), key=digest_of)


def digest_of(record: Verified) -> bytes:
    """Return what the join orders a jury by."""
    assert record.jury is not None
    return statement_digest(record.jury)


def told(records: list[Verified]) -> tuple[SimRows, list[Verified]]:
    """Gossip records to a machine, no faster than it relays; return its log and what it relayed."""
    rows = SimRows({}, keeps_undo=False)
    machine = Machine(signer=BO, network=NETWORK, rows=rows, dice=Dice("bo").bytes)
    relayed = []
    for at, record in enumerate(records):
        event = ev.Received((record,), ev.Via.GOSSIP, PeerId("an"), ev.Token(at))
        for effect in machine.handle(event, ev.Now(20 * at, 2_000)):
            if isinstance(effect, fx.Append):
                rows.stage(effect.changes)
            elif isinstance(effect, fx.Relayed) and effect.word is fx.Word.ACCEPT:
                relayed.append(record)
    return rows, relayed


@pytest.mark.parametrize("seed", seeds(100, usual=2))
def test_flood__leaves_the_two_smallest_juries_in_any_order(seed: int) -> None:
    flood = list(a_flood())
    if seed == 1:
        flood.reverse()  # every single one displaces another
    elif seed > 2:
        Dice(seed).shuffle(flood)

    rows, relayed = told(flood)

    smallest = list(map(digest_of, a_flood()[:2]))
    assert [statement_digest(one) for one in juries_of(rows, TASK_ID, AN.public_key)] == smallest
    assert record_count(rows) == 2
    assert len(relayed) == 2
    assert len(rows) == len(told(a_flood()[:2])[0])


def test_flood__of_one_jury_in_many_records_is_passed_on_once() -> None:
    again = [a_jury_record(0, again=count) for count in range(1_000)]
    again.sort(key=lambda record: record.record_id, reverse=True)  # each displaces the last

    rows, relayed = told(again)

    assert record_count(rows) == 1
    assert relayed == again[:1]


@pytest.mark.parametrize("seed", seeds(20, usual=1))
def test_flood__through_every_way_in_leaves_the_same_two_juries_everywhere(seed: int) -> None:
    world = World(seed)
    honest = [world.add(Relaying) for _ in range(HONEST)]
    flooder = world.add(JuryFlooder)
    world.wire(4)
    for index in range(HONEST):
        world.net.link(flooder.index, index, 30)
    world.boot()
    world.run(WARM_MS)

    flooder.begin(FLOOD, each_ms=5)
    for count in range(4):
        world.users.ask(world.dice.below(HONEST), b"honest %d" % count)
    world.run(FLOOD * 5 + CALM_MS)

    assert problems(world) == []
    smallest = sorted(map(digest_of, flooder.flood))[:2]
    assert any(host.relayed for host in honest)
    for host in honest:
        kept = juries_of(host.rows, flooder.task_id, flooder.key)
        assert [statement_digest(jury) for jury in kept] == smallest
        assert host.relayed.get(flooder.key, 0) <= 2
        assert faults_of(host.rows).get(flooder.key) == 1

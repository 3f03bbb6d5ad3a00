"""B7: whoever breaks the order of the protocol is not counted; repeating it changes nothing."""

import pytest

from consensus.log import find_verdict, newest_tasks
from node.core import events as ev
from node.sim.cast_floods import Backdater, Flooder, PresenceReplayer, Replayer
from node.sim.cast_jurors import NEVER_COUNTED, Cheat
from node.sim.host import Host
from node.sim.oracle import problems
from node.sim.world import World
from tests.sim.seeds import seeds

HONEST = 8
WARM_MS = 15_000
CALM_MS = 100_000  # four attempts may each wait for jurors that stay away
TEN_MINUTES_MS = 600_000
TASKS_MAX = 10_000


class Told(Host):
    """An honest host that counts what its machine is told."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.told = 0

    def tell(self, event: ev.Event) -> None:
        self.told += 1
        super().tell(event)


def a_world_with(seed: int, *cast: type[Host]) -> World:
    """Return a warm world of honest hosts and others."""
    world = World(seed, run_jitter_ms=300)
    for _ in range(HONEST):
        world.add(Told)
    for kind in cast:
        world.add(kind)
    world.wire(4)
    world.net.air.loss_ppm = 20_000
    world.net.air.jitter_ms = 50
    world.boot()
    world.run(WARM_MS)
    return world


def rows_of(host: Host) -> dict[bytes, bytes]:
    """Return everything on a host's disk."""
    return {key: value for family in range(256) for key, value in host.rows.scan(bytes([family]))}


def honest_of(world: World) -> list[Host]:
    """Return those for whom the promises hold."""
    return [host for host in world.hosts if host.is_honest]


@pytest.mark.parametrize("seed", seeds(300, usual=2))
def test_cheats__are_never_counted_and_hold_nobody_up(seed: int) -> None:
    world = a_world_with(seed, Cheat, Cheat, Cheat, Cheat, Backdater)

    for count in range(12):
        world.users.ask(world.dice.below(HONEST), b"among cheats %d" % count)
        world.run(700)
    world.run(CALM_MS)
    for host in world.hosts:
        if isinstance(host, Backdater):
            host.rest()
    world.run(30_000)

    assert problems(world) == []
    cheats = {host.key: host for host in world.hosts if isinstance(host, Cheat)}
    assert any(cheat.tricks for cheat in cheats.values())
    seated: dict[str, None] = {}
    for host in honest_of(world):
        for task_id in newest_tasks(host.rows, limit=TASKS_MAX):
            verdict = find_verdict(host.rows, task_id)
            assert verdict is not None
            for vote in verdict.votes:
                cheat = cheats.get(vote.juror)
                trick = "" if cheat is None else cheat.tricks.get(task_id, "")
                seated[trick] = None
                assert trick not in ("bare", "after"), f"{host.name} seated a cheat that {trick}"
                assert trick not in NEVER_COUNTED or vote.result is None, f"counted: {trick}"
    assert any(trick in seated for trick in NEVER_COUNTED), "no cheat got a seat"


@pytest.mark.parametrize("seed", seeds(300, usual=1))
def test_replay__of_all_that_was_said_changes_no_row(seed: int) -> None:
    world = a_world_with(seed, Cheat, Replayer)
    replayer = world.hosts[-1]
    assert isinstance(replayer, Replayer)
    replayer.rest()
    for count in range(8):
        world.users.ask(world.dice.below(HONEST), b"said once %d" % count)
        world.run(700)
    world.run(CALM_MS)
    assert problems(world) == []
    honest = [host for host in world.hosts if isinstance(host, Told)]
    before = [rows_of(host) for host in honest]

    calm = told_in(world, honest, TEN_MINUTES_MS)
    replayer.go_on()
    noisy = told_in(world, honest, TEN_MINUTES_MS)

    assert replayer.said >= TEN_MINUTES_MS // replayer.every_ms
    assert [rows_of(host) for host in honest] == before
    assert noisy <= calm + calm // 100, "what is held already comes to a machine"
    assert problems(world) == []


def told_in(world: World, hosts: list[Told], ms: int) -> int:
    """Let time pass; return how many events the machines of some hosts handled."""
    before = sum(host.told for host in hosts)
    world.run(ms)
    return sum(host.told for host in hosts) - before


@pytest.mark.parametrize("seed", seeds(100, usual=1))
def test_flood__of_valid_and_wrong_words_and_old_presences_harms_no_task(seed: int) -> None:
    world = a_world_with(seed, Flooder, Backdater, PresenceReplayer)
    busy = [host for host in world.hosts if isinstance(host, Flooder | Backdater)]
    gone = world.add(Told)
    world.net.link(gone.index, 0, 30)
    world.net.link(gone.index, HONEST + 2, 30)
    gone.boot()
    world.run(12_000)
    gone.leave()

    for count in range(5):
        world.users.ask(world.dice.below(HONEST), b"in a flood %d" % count)
        world.run(2_000)
    for host in busy:
        host.rest()
    gone.boot()
    world.run(CALM_MS)

    assert problems(world) == []
    blamed = {world.hosts[peer].cast for _, peer in world.blamed}
    assert blamed == {Flooder.cast}

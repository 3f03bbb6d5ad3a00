"""C1, C2 and C3: processes that are killed anywhere, and disks that were put back or copied."""

from itertools import product
from typing import Any

import pytest

from consensus.log import faults_of, find_verdict
from node.core.own import find_opening, read_entry
from node.sim import trap
from node.sim.disk import SimRows
from node.sim.host import Host
from node.sim.oracle import is_settled, problems
from node.sim.trap import Point, Trap
from node.sim.trial import run_trial
from node.sim.weather import Weather
from node.sim.witness import Witness
from node.sim.world import World
from protocol.statements import Commit, Jury, Profile, Reveal, Statement, Task
from tests.sim.seeds import seeds

HOSTS = 5
WARM_MS = 15_000
SETTLE_MS = 60_000
SPEAKS_WITHIN_MS = 10_000
HALTS_WITHIN_MS = 30_000

POINTS = (
    trap.BEFORE_JOURNAL,
    trap.AFTER_JOURNAL,
    trap.AFTER_APPEND,
    trap.BEFORE_PUBLISH,
    trap.AMID_PUBLISH,
    trap.AFTER_PUBLISH,
)
KINDS: tuple[type[Statement], ...] = (Task, Commit, Jury, Reveal, Profile)
# Only a task is answered to its user.
CELLS = [*product(POINTS, KINDS), (trap.BEFORE_REPLY, Task)]


def named(cell: object) -> str:
    """Name a part of a cell as a test is called."""
    return cell.name if isinstance(cell, Point) else getattr(cell, "__name__", str(cell))


class Renamed(Host):
    """A host whose operator chooses another nickname, so that it has a profile to sign."""

    alias = ""

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self.alias or super().name


def a_town(seed: int) -> World:
    """Return a world of honest hosts whose power may be cut; nobody is up."""
    world = World(seed, keeps_undo=True, run_jitter_ms=200)
    world.oracle = Witness(world)
    for _ in range(HOSTS):
        world.add(Renamed)
    world.wire(4)
    world.net.air.jitter_ms = 20
    return world


def ask(world: World, count: int, *, each_ms: int = 500, at: int | None = None) -> None:
    """Let users ask at random hosts, or at one."""
    for number in range(count):
        host = world.dice.below(HOSTS) if at is None else at
        world.users.ask(host, f"{world.schedule.now_ms} {number}".encode())
        world.run(each_ms)


def unopened(world: World) -> list[str]:
    """Return which seats an honest juror did not open."""
    found = []
    for host in world.hosts:
        for order in world.users.orders:
            assert order.task_id is not None, "every task was accepted"
            verdict = find_verdict(host.rows, order.task_id)
            assert verdict is not None, "every log holds every task"
            found += [
                f"{order.request_id} as {host.name} has it"
                for vote in verdict.votes
                if vote.result is None
            ]
    return found


def not_as_journaled(world: World) -> list[str]:
    """Return whose words are in somebody's log other than as their author wrote them down."""
    found = []
    for author in world.hosts:
        for data in author.journal:
            entry = read_entry(data, world.network.params)
            record = world.opened(entry.record)
            found += [
                f"a record of {author.name} at {host.name}"
                for host in world.hosts
                if host.rows.get(b"r" + record.record_id) != entry.record
            ]
            for statement in record.statements:
                if isinstance(statement, Commit):
                    opening = find_opening(author.rows, statement.task_id, world.network.params)
                    found += [] if opening else [f"what opens a commit of {author.name}"]
    return found


@pytest.mark.parametrize("seed", seeds(20, usual=1))
@pytest.mark.parametrize(("point", "kind"), CELLS, ids=named)
def test_crash__at_any_point_signs_no_slot_twice_and_loses_nothing(
    point: Point, kind: type[Statement], seed: int
) -> None:
    world = a_town(seed)
    ended: list[Host] = []

    def ends(host: Host) -> None:
        ended.append(host)
        if seed % 2:
            world.schedule.at(world.schedule.now_ms, host.rows.lose, world.dice.below(16))
        world.schedule.after(world.dice.between(1, 5_000), host.boot)

    world.boot()
    world.run(WARM_MS)
    if kind is Profile:
        world.hosts[0].crash()
        renamed = world.hosts[0]
        assert isinstance(renamed, Renamed)
        renamed.alias = "another name"
    for host in world.hosts[1:3] if kind in (Commit, Reveal) else world.hosts[:1]:
        host.trap = Trap(host, point, says=kind, ends=ends)
    world.hosts[0].boot()
    for number in range(8):
        ask(world, 1, each_ms=2_000, at=0 if number % 2 == 0 else None)
    world.run(SETTLE_MS)

    assert ended
    assert problems(world) == []
    assert not_as_journaled(world) == []
    assert unopened(world) == []


class Heard(Witness):
    """Notes when each life of a host first says anything."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.first_ms: dict[tuple[int, int], int] = {}

    def published(self, host: Host, data: bytes) -> None:
        """Take in what a host publishes."""
        now_ms = host.world.schedule.now_ms
        self.first_ms.setdefault((host.index, host.life), now_ms - host.began_ms)
        super().published(host, data)


@pytest.mark.parametrize("seed", seeds(300, usual=1))
def test_kill_storm__loses_no_accepted_task_and_silences_nobody(seed: int) -> None:
    worlds: list[World] = []

    def prepare(world: World) -> None:
        world.oracle = Heard(world)
        worlds.append(world)

    weather = Weather(
        minutes=4, kill_every_ms=5_000, down_ms=10_000, power_ppm=500_000, task_every_ms=1_200
    )
    trial = run_trial(seed, weather=weather, prepare=prepare)

    assert trial.problems == (), trial.report()
    assert trial.counts.sometimes["a process was killed"] >= 40
    assert trial.tasks >= 190
    assert trial.healed_ms <= 60_000, trial.report()
    (world,) = worlds
    assert isinstance(world.oracle, Heard)
    assert max(world.oracle.first_ms.values()) <= SPEAKS_WITHIN_MS
    silent = [
        host.name for host in world.hosts if (host.index, host.life) not in world.oracle.first_ms
    ]
    assert silent == []


def put_back(host: Host, rows: dict[bytes, Any], journal: list[bytes]) -> None:
    """Give a host that is down the disk of an earlier day."""
    host.rows = SimRows(host.world.shared, keeps_undo=True)
    host.rows.stage(rows)
    host.journal = list(journal)


@pytest.mark.parametrize("seed", seeds(100, usual=2))
def test_put_back_directory__halts_before_it_signs_anything(seed: int) -> None:
    world = a_town(seed)
    world.boot()
    world.run(WARM_MS)
    ask(world, 10)
    victim = world.hosts[world.dice.below(HOSTS)]
    rows, journal = victim.rows.copy(), list(victim.journal)
    ask(world, 30)
    signed = len(victim.journal)
    assert signed > len(journal)

    victim.crash(power=bool(seed % 2))
    put_back(victim, rows, journal)
    victim.boot()
    asked = [one for one in range(HOSTS) if one != victim.index]
    for _ in range(10):
        world.users.ask(victim.index, b"asked of a put-back node")
        ask(world, 1, at=world.dice.pick(asked))
    world.run(HALTS_WITHIN_MS)

    assert victim.halted
    assert victim.journal == journal
    world.run(SETTLE_MS)
    left = [one for one in problems(world, all_final=False) if victim.name not in one]
    assert left == []
    others = [order for order in world.users.orders if order.host != victim.index]
    assert all(is_settled(world.hosts[order.host], order) for order in others)


class Copy(Host):
    """A second process on a copy of another host's directory, with its key."""

    cast = "copy"

    def become(self, original: Host) -> None:
        """Take the key and the disk of another."""
        self.signer, self.key = original.signer, original.key
        put_back(self, original.rows.copy(), original.journal)


@pytest.mark.parametrize("seed", seeds(100, usual=2))
def test_two_copies_at_once__void_one_task_at_most_before_one_stops(seed: int) -> None:
    world = a_town(seed)
    copy = world.add(Copy)
    for index in range(HOSTS):
        world.net.link(copy.index, index, 30)
    originals = world.hosts[:HOSTS]
    world.boot(originals)
    world.run(WARM_MS)
    ask(world, 10)
    original = originals[world.dice.below(HOSTS)]
    copy.become(original)
    others = [one for one in range(HOSTS) if one != original.index]

    copy.boot()
    for number in range(HALTS_WITHIN_MS // 1_000):
        both = [*others, copy.index, original.index]
        ask(world, 1, each_ms=1_000, at=world.dice.pick(both) if number % 2 else others[0])
    stopped = [host for host in (copy, original) if host.halted]
    assert stopped
    world.run(SETTLE_MS)

    assert sum(faults_of(originals[others[0]].rows).values()) <= 1
    strange = [
        one
        for one in problems(world, all_final=False)
        if original.name not in one and copy.name not in one
    ]
    assert strange == []

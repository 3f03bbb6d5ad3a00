"""Experiments about votes: small worlds in fair weather, made so that many tasks can be counted.

Each returns what came of it as numbers; `bench/votes.py` repeats them until they mean something.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consensus import layout
from consensus.contributions import Mark
from consensus.log import find_task
from consensus.verdict import State, quorum_of
from node.core.assignment import delay_ms, ranked
from node.core.settings import Settings
from node.sim.cast_keys import KeyHolder
from node.sim.cast_sybils import Copycat, Crowd, CrowdOfLiars, HastySybils, SilentSybils
from node.sim.cast_voters import ConstantLiar, Withholder
from node.sim.host import Host
from node.sim.models import POSITIVE
from node.sim.users import Order
from node.sim.world import World
from protocol.ids import PublicKey, TaskId

GATHER_MS = 1_000  # words gathered into one message; fewer messages are cheaper to count
PATIENCE_MS = 300_000  # whatever is not settled by then is counted as open
WARM_UP_MS = 15_000
_SEAT_BYTES = 64
_FAIR = ((10, 20), 2)  # a packet's way in milliseconds; links that each host dials

# Nobody is late here, so nobody steps in; and presences cost as much as votes.
UNHURRIED = Settings(
    step_ms=60_000,
    commit_window_ms=60_000,
    reveal_window_ms=120_000,
    batch_ms=GATHER_MS,
    batch_ms_max=GATHER_MS,
    presence_ms=600_000,
)
RARELY_PRESENT = Settings(presence_ms=600_000)


@dataclass(slots=True)
class Copied:
    """How a copycat's seats ended.

    Attributes:
        tried: How often it went about a task in which way.
        seats: Seats it had at first attempts.
        agreed: Those where it opened what became the verdict.
        dissented: Those where it opened something else.
        retry_seats: Seats it had at later attempts.
        retry_agreed: Those where it agreed; what was opened before is no secret.
        positive: Tasks whose right answer is "positive".
        tasks: All tasks.
        opened_early: Commitments of others that it opened before they did.
    """

    tried: dict[str, int] = field(default_factory=dict)
    seats: int = 0
    agreed: int = 0
    dissented: int = 0
    retry_seats: int = 0
    retry_agreed: int = 0
    positive: int = 0
    tasks: int = 0
    opened_early: int = 0

    def add(self, other: "Copied") -> None:
        """Take in another world."""
        for plan, times in other.tried.items():
            self.tried[plan] = self.tried.get(plan, 0) + times
        self.seats += other.seats
        self.agreed += other.agreed
        self.dissented += other.dissented
        self.retry_seats += other.retry_seats
        self.retry_agreed += other.retry_agreed
        self.positive += other.positive
        self.tasks += other.tasks
        self.opened_early += other.opened_early


def crowd_with_liars(
    seed: int, *, tasks: int, seats: int, machines: int = 8, workers: int = 200, together: int = 250
) -> World:
    """Ask a crowd of which a fifth lies; a few of the honest are whole machines, the rest keys.

    Args:
        seed: What all follows from.
        tasks: How many are asked, by one node that does not work itself.
        seats: Of each.
        machines: Honest workers with a machine of their own.
        workers: Keys that work, liars included.
        together: Tasks asked at one moment.
    """
    world = World(seed, settings=UNHURRIED, look_ms=60_000)
    world.add(Host, capabilities=())
    for _ in range(machines):
        world.add(Host)
    liars = workers // 5
    if workers - liars - machines > 0:
        world.add(Crowd).hold(workers - liars - machines)
    world.add(CrowdOfLiars).hold(liars)
    _begin(world)
    ask(world, [0], tasks, seats=seats, together=together)
    return world


def machines_with_liars(
    seed: int, *, tasks: int, seats: int, workers: int, liar_each: int = 5
) -> World:
    """Ask workers of which one in `liar_each` lies; all of them are whole machines."""
    world = World(seed, settings=UNHURRIED, look_ms=60_000)
    world.add(Host, capabilities=())
    for number in range(workers):
        world.add(ConstantLiar if number % liar_each == 0 else Host)
    _begin(world)
    ask(world, [0], tasks, seats=seats, together=250)
    return world


def with_hasty_keys(seed: int, *, tasks: int, honest: int = 100) -> World:
    """Ask honest machines among which three keys answer at once, as fast as anybody can."""
    world = World(seed, settings=RARELY_PRESENT, look_ms=60_000)
    world.add(Host, capabilities=())
    for _ in range(honest):
        world.add(Host)
    world.add(HastySybils)
    _begin(world)
    ask(world, [0], tasks, seats=3, together=50)
    return world


def with_copycat(
    seed: int, *, tasks: int, withholders: int = 0, kind: type[Copycat] = Copycat
) -> Copied:
    """Ask four honest machines, a copycat, and some that commit and never open."""
    world = World(seed, settings=RARELY_PRESENT, look_ms=60_000)
    world.add(Host, capabilities=())
    for _ in range(4):
        world.add(Host)
    for _ in range(withholders):
        world.add(Withholder)
    copycat = world.add(kind)
    _begin(world)
    ask(world, [0], tasks, seats=3, together=250)
    truths = [world.models.truth(order.input_bytes) for order in world.users.orders]
    copied = Copied(tried=dict(copycat.tried), opened_early=copycat.opened_early, tasks=tasks)
    copied.positive = truths.count(POSITIVE)
    for task_id, jurors, marks in juries(world):
        for juror, mark in zip(jurors, marks, strict=True):
            if juror not in copycat.held:
                continue
            submitted = find_task(world.hosts[0].rows, task_id)
            assert submitted is not None, "a judged task is known"
            if submitted.task.attempt > 0:
                copied.retry_seats += 1
                copied.retry_agreed += mark == Mark.AGREED
                continue
            copied.seats += 1
            copied.agreed += mark == Mark.AGREED
            copied.dissented += mark == Mark.DISSENTED
    return copied


def with_dead_workers(seed: int, *, nodes: int, tasks: int, dead_ppm: int = 300_000) -> World:
    """Kill a share of all workers without a word, some tasks being under way and others to come.

    For as long as a presence lives, everybody counts on the dead.
    """
    world = World(seed)
    for _ in range(nodes):
        world.add(Host)
    world.wire(4)
    world.boot()
    world.run(WARM_UP_MS)
    alive = list(range(nodes))
    world.dice.shuffle(alive)
    dead, alive = alive[: nodes * dead_ppm // 1_000_000], alive[nodes * dead_ppm // 1_000_000 :]
    begun = [_order(world, world.dice.pick(alive), 3) for _ in range(tasks // 2)]
    world.run(world.dice.between(100, 400))
    for index in dead:
        world.hosts[index].crash()
    _wait(world, [*begun, *(_order(world, world.dice.pick(alive), 3) for _ in range(tasks // 2))])
    return world


def with_silent_keys(seed: int, *, keys: int, tasks: int, honest: int = 10) -> World:
    """Ask honest nodes beside many keys that say they are here and never commit."""
    world = World(seed)
    for _ in range(honest):
        world.add(Host)
    hosts = 4
    for _ in range(hosts):
        world.add(SilentSybils).hold(keys // hosts)
    world.wire(4)
    world.boot()
    world.run(WARM_UP_MS + keys * 1_000 // (32 * hosts))
    ask(world, list(range(honest)), tasks, seats=3, together=1)
    return world


def in_fair_weather(seed: int, *, nodes: int, tasks: int) -> World:
    """Ask honest nodes that nothing happens to."""
    world = World(seed)
    for _ in range(nodes):
        world.add(Host)
    world.wire(4)
    world.boot()
    world.run(WARM_UP_MS)
    ask(world, list(range(nodes)), tasks, seats=3, together=5)
    return world


def ask(world: World, submitters: Sequence[int], tasks: int, *, seats: int, together: int) -> None:
    """Ask some tasks at a time, and the next when all of them are settled."""
    for begin in range(0, tasks, together):
        count = min(together, tasks - begin)
        orders = [_order(world, world.dice.pick(submitters), seats) for _ in range(count)]
        _wait(world, orders)


def juries(world: World) -> list[tuple[TaskId, list[PublicKey], bytes]]:
    """Return the jury of each seated task and what each juror earned, as the first host has it."""
    found = []
    for key, value in world.hosts[0].rows.scan(layout.JUDGED):
        judged = layout.read_judged(value)
        seats = judged.seats
        jurors = [PublicKey(seats[at : at + 32]) for at in range(0, len(seats), _SEAT_BYTES)]
        found.append((TaskId(key[1:]), jurors, judged.marks))
    return found


def captured(world: World, keys: Sequence[PublicKey]) -> int:
    """Return on how many tasks some keys are a quorum together."""
    mine = dict.fromkeys(keys)
    return sum(
        sum(juror in mine for juror in jurors) >= quorum_of(len(jurors))
        for _, jurors, _ in juries(world)
    )


def seated_out_of_turn(world: World) -> int:
    """Return how many tasks have other jurors than the first in the ranking of all workers."""
    workers = _workers(world)
    return sum(
        sorted(ranked(task_id, workers)[: len(jurors)]) != jurors
        for task_id, jurors, _ in juries(world)
    )


def seated_too_late(world: World, *, without: Sequence[PublicKey]) -> int:
    """Return how many first juries have a juror whose turn came after enough others'.

    Args:
        world: What happened.
        without: Workers that did not answer; everybody else is expected to, in its turn.
    """
    workers, gone = _workers(world), dict.fromkeys(without)
    rows, found = world.hosts[0].rows, 0
    for task_id, jurors, _ in juries(world):
        submitted = find_task(rows, task_id)
        if submitted is None or submitted.task.attempt > 0:
            continue
        order, seats = ranked(task_id, workers), submitted.task.seats
        answering = [rank for rank, worker in enumerate(order) if worker not in gone]
        last = max(order.index(juror) for juror in jurors)
        found += delay_ms(last, seats=seats, step_ms=1) > delay_ms(
            answering[seats - 1], seats=seats, step_ms=1
        )
    return found


def _workers(world: World) -> dict[PublicKey, None]:
    return dict.fromkeys(
        key
        for key, index in world.index_of.items()
        if index != 0 and _works(world.hosts[index], key)
    )


def _works(host: Host, key: PublicKey) -> bool:
    return key in host.held if isinstance(host, KeyHolder) else bool(host.capabilities)


def _begin(world: World) -> None:
    delay_ms, dials = _FAIR
    world.wire(dials, delay_ms=delay_ms)
    world.boot()
    world.run(WARM_UP_MS)


def _order(world: World, host: int, seats: int) -> Order:
    return world.users.ask(host, b"text %d" % len(world.users.orders), seats=seats)


def _wait(world: World, orders: Sequence[Order]) -> None:
    until_ms = world.schedule.now_ms + PATIENCE_MS
    while world.schedule.now_ms < until_ms:
        world.run(GATHER_MS)
        if all(order.state is State.FINAL for order in orders):
            return

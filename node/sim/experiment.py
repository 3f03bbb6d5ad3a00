"""One experiment: a market is set up, asked, left until it settled, and measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from consensus import layout
from consensus.log import record_count, record_ids, state_digest
from node.sim.dice import PPM
from node.sim.host import Host
from node.sim.models import POSITIVE
from node.sim.options import Options
from node.sim.oracle import are_equal, is_settled, problems
from node.sim.report import Costs, Log, Report, Sample, Times
from node.sim.settled import unsettled
from node.sim.stage import calm_down, clear_up, populated, provoke, storm_over, submitters
from node.sim.storm import Storm
from node.sim.users import Order
from node.sim.verdicts import outcomes, tally
from protocol.ids import Digest

LOOK_MS = 1_000  # between two looks at the whole; whatever is timed by looks is as exact
# What is waited for and does not come about by then has failed.
WARM_UP_MS = 60_000  # and one interval of presences, for who was not heard at once
SETTLE_MS = 300_000
PATIENCE_MS = 10_000  # then it is enough that everybody knows half of all keys
SETTLED_LOOK_MS = 10_000  # between two looks for tasks that may end without an answer

Progress = Callable[[str, Sample], None]


def run(options: Options, progress: Progress | None = None) -> Report:
    """Run an experiment from beginning to end.

    Args:
        options: What to run; equal options give equal reports, to the last bit.
        progress: Told what goes on and how far it is, once each simulated second.
    """
    return _Experiment(options, progress or _say_nothing).run()


@dataclass(slots=True)
class _Moments:
    """When something was first seen to be so."""

    known_ms: int | None = None
    last_task_ms: int = 0
    equal_ms: int | None = None
    settled_ms: int | None = None


class _Experiment:
    """A run under way."""

    def __init__(self, options: Options, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._samples: list[Sample] = []
        self._moments = _Moments()
        self._before = (0, 0, 0)  # gossip of records before the first task; see `_gossiped`
        self._asked = 0  # by honest nodes, as is what follows
        self._open: dict[str, Order] = {}  # by name of the request; without an answer yet
        self._world = populated(options)
        self._inputs = _inputs(options, self._world.models.truth)
        self._dice = self._world.dice.child("experiment")
        self._honest = [host for host in self._world.hosts if host.is_honest]

    def run(self) -> Report:
        """Go through all phases and look at what came of it."""
        self._warm_up()
        self._ask_all()
        self._settle()
        return self._measured()

    def _warm_up(self) -> None:
        """Start everybody, and wait until all who are honest know who is there."""
        world = self._world
        keys = len(world.index_of)
        world.boot(within_ms=self._options.start_ms)
        everybody_ms = keys * 1_000 // world.settings.presence_nodes_per_s
        for _ in self._seconds("meet", WARM_UP_MS + everybody_ms):
            known = self._samples[-1].known_min
            if known >= keys - 1:
                self._moments.known_ms = world.schedule.now_ms
                return
            if known >= keys // 2 and world.schedule.now_ms >= PATIENCE_MS:
                return  # the rest are heard in their next interval, which is long in a crowd

    def _ask_all(self) -> None:
        """Let users ask at honest nodes, a burst at a time, and cheats ask their share."""
        world, options, cheats = self._world, self._options, submitters(self._world)
        storm = self._begin_storm() if options.has_storm else None
        provoke(world)
        self._before = self._gossiped()
        until_ms = world.schedule.now_ms
        for number in range(options.tasks):
            if number and number % options.burst == 0:
                until_ms += options.gap_ms
                self._pass("ask", until_ms)
            asked, host = next(self._inputs), self._dice.pick(self._honest)
            order = world.users.ask(host.index, asked, seats=options.seats)
            self._asked += 1
            self._open[order.request_id] = order
            if self._dice.chance(len(cheats) * PPM // len(self._honest)):
                world.users.ask(self._dice.pick(cheats).index, asked, seats=options.seats)
        calm_down(world)
        if storm is not None:
            storm.calm()
            clear_up(world, options)
        self._moments.last_task_ms = world.schedule.now_ms

    def _begin_storm(self) -> Storm:
        storm = storm_over(self._world, self._options)
        storm.begin()
        return storm

    def _settle(self) -> None:
        """Wait until all logs are equal and all tasks settled, and for as long as asked for."""
        moments, options = self._moments, self._options
        least_ms = options.minutes * 60_000
        for _ in self._seconds("settle", max(SETTLE_MS, least_ms - moments.last_task_ms)):
            now_ms, newest = self._world.schedule.now_ms, self._samples[-1]
            # Only when counts and digests are equal is it worth comparing logs word by word.
            if newest.logs > 1 or not are_equal(self._honest):
                moments.equal_ms = None
            elif moments.equal_ms is None:
                moments.equal_ms = now_ms
            if moments.settled_ms is None and self._is_settled(now_ms):
                moments.settled_ms = now_ms
            if moments.settled_ms and moments.equal_ms and now_ms >= least_ms:
                return

    def _is_settled(self, now_ms: int) -> bool:
        """Answer whether every task has its answer, or a right to end without one."""
        if not self._open:
            return True
        is_time = now_ms // LOOK_MS % (SETTLED_LOOK_MS // LOOK_MS) == 0
        return is_time and self._moments.equal_ms is not None and not unsettled(self._world)

    def _seconds(self, phase: str, most_ms: int) -> Iterator[None]:
        """Let time pass, a look at a time."""
        until_ms = self._world.schedule.now_ms + most_ms
        while self._world.schedule.now_ms < until_ms:
            self._pass(phase, min(until_ms, self._world.schedule.now_ms + LOOK_MS))
            yield

    def _pass(self, phase: str, until_ms: int) -> None:
        """Let time pass up to a moment, and look on the way."""
        schedule = self._world.schedule
        while schedule.now_ms < until_ms:
            looked_ms = self._samples[-1].now_ms if self._samples else 0
            schedule.run_until(min(until_ms, looked_ms + LOOK_MS))
            if schedule.now_ms >= looked_ms + LOOK_MS:
                self._samples.append(self._look(phase))
                self._progress(phase, self._samples[-1])

    def _look(self, phase: str) -> Sample:
        world, counts = self._world, self._world.counts
        logs: dict[tuple[int, Digest], None] = {}
        known = []
        for host in self._honest:
            logs[record_count(host.rows), state_digest(host.rows)] = None
            if phase == "meet":
                machine = host.machine
                known.append(machine.presences.sizes()["authors"][0] if machine else 0)
        held = sorted(record_count(host.rows) for host in self._honest)
        for name, order in list(self._open.items()):
            if is_settled(world.hosts[order.host], order):
                del self._open[name]
        return Sample(
            now_ms=world.schedule.now_ms,
            known_min=min(known, default=0),
            records_min=held[0],
            records_median=held[len(held) // 2],
            records_max=held[-1],
            logs=len(logs),
            asked=self._asked,
            final=self._asked - len(self._open),
            copies=counts.copies,
            copy_bytes=counts.copy_bytes,
            presence_copies=counts.presence_copies,
            presence_bytes=counts.presence_bytes,
            sync_bytes=counts.sync_bytes,
        )

    def _gossiped(self) -> tuple[int, int, int]:
        """Return how many messages of records there were, copies of them, and bytes."""
        counts = self._world.counts
        return (
            counts.published - counts.presences,
            counts.copies - counts.presence_copies,
            counts.copy_bytes - counts.presence_bytes,
        )

    def _measured(self) -> Report:
        world, moments = self._world, self._moments
        counts = world.counts
        messages, copies, copy_bytes = (
            after - before for after, before in zip(self._gossiped(), self._before, strict=True)
        )
        return Report(
            options=self._options,
            trace_hash=world.trace.hexdigest(),
            problems=[*problems(world, all_final=False), *unsettled(world)],
            outcomes=outcomes(world),
            casts=tally(world),
            times=Times(
                simulated_ms=world.schedule.now_ms,
                known_ms=moments.known_ms,
                last_task_ms=moments.last_task_ms,
                equal_ms=moments.equal_ms,
                settled_ms=moments.settled_ms,
            ),
            costs=Costs(
                published=counts.published,
                presences=counts.presences,
                copies=counts.copies,
                copy_bytes=counts.copy_bytes,
                presence_copies=counts.presence_copies,
                presence_bytes=counts.presence_bytes,
                lost=counts.lost,
                sync_bytes=counts.sync_bytes,
                task_messages=messages,
                task_copies=copies,
                task_bytes=copy_bytes,
            ),
            hosts=len(world.hosts),
            log=_log_of(self._honest[0]),
            events=world.schedule.happened,
            sessions=dict(sorted(counts.sessions.items())),
            sometimes=dict(sorted(counts.sometimes.items())),
            waits_ms=[
                order.final_ms - order.asked_ms
                for order in world.users.orders
                if order.final_ms is not None
            ],
            samples=self._samples,
        )


def _say_nothing(phase: str, sample: Sample) -> None:
    del phase, sample


def _inputs(options: Options, truth: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """Make inputs up, of which so many are positive, spread evenly."""
    number = positive = 0
    for count in range(1, options.tasks + 1):
        wants_positive = positive < count * options.positive_ppm // 1_000_000
        positive += wants_positive
        while True:
            made_up = f"text {number} of seed {options.seed}".encode()
            number += 1
            if (truth(made_up) == POSITIVE) == wants_positive:
                break
        yield made_up


def _log_of(host: Host) -> Log:
    sizes = [
        len(host.rows.get(layout.RECORD + record_id) or b"")
        for _, record_id in record_ids(host.rows)
    ]
    return Log(records=len(sizes), record_bytes=sum(sizes))

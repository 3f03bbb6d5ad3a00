"""One experiment: a market is set up, asked, left until it settled, and measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from consensus import layout
from consensus.log import record_count, record_ids, state_digest
from node.sim.cast_cheats import CHEATS
from node.sim.cast_voters import CAST
from node.sim.host import Host
from node.sim.models import POSITIVE
from node.sim.options import Options
from node.sim.oracle import are_equal, is_settled, problems
from node.sim.report import Costs, Log, Report, Sample, Times
from node.sim.verdicts import outcomes, tally
from node.sim.world import World
from protocol.ids import Digest
from protocol.statements import Profile

KINDS: dict[str, type[Host]] = {**CAST, **CHEATS}

LOOK_MS = 1_000  # between two looks at the whole; whatever is timed by looks is as exact
# What is waited for and does not come about by then has failed.
WARM_UP_MS = 120_000  # and one interval of presences, for who was not heard at once
SETTLE_MS = 600_000

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
    final_ms: int | None = None


class _Experiment:
    """A run under way."""

    def __init__(self, options: Options, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._settings = options.settings()
        self._samples: list[Sample] = []
        self._moments = _Moments()
        self._settled: list[bool] = []  # by order
        self._world = self._populated()
        self._inputs = _inputs(options, self._world.models.truth)
        self._dice = self._world.dice.child("experiment")
        self._honest = [host for host in self._world.hosts if host.is_honest]

    def run(self) -> Report:
        """Go through all phases and look at what came of it."""
        self._warm_up()
        self._ask_all()
        self._settle()
        return self._measured()

    def _populated(self) -> World:
        options = self._options
        world = World(
            options.seed,
            settings=self._settings,
            look_ms=options.look_ms,
            wrong_ppm=options.wrong_ppm,
            run_jitter_ms=options.run_jitter_ms,
        )
        kinds = [Host] * options.nodes
        for name, count in options.adversaries:
            kinds += [KINDS[name]] * count
        for kind in kinds:
            host = world.add(kind, run_ms=options.run_ms)
            if not options.has_profiles and host.is_honest:
                _introduce_unheard(host)
        world.wire(options.dials, delay_ms=(options.delay_least_ms, options.delay_most_ms))
        world.net.air.loss_ppm = options.loss_ppm
        world.net.air.jitter_ms = options.jitter_ms
        return world

    def _warm_up(self) -> None:
        """Start everybody, and wait until all who are honest know of each other."""
        self._world.boot()
        everybody_ms = len(self._world.hosts) * 1_000 // self._settings.presence_nodes_per_s
        for _ in self._seconds("meet", WARM_UP_MS + everybody_ms):
            if self._samples[-1].known_min >= len(self._honest) - 1:
                self._moments.known_ms = self._world.schedule.now_ms
                return

    def _ask_all(self) -> None:
        """Let users ask at honest nodes, a burst at a time."""
        world, options = self._world, self._options
        until_ms = world.schedule.now_ms
        for number in range(options.tasks):
            if number and number % options.burst == 0:
                until_ms += options.gap_ms
                self._pass("ask", until_ms)
            host = self._dice.pick(self._honest)
            world.users.ask(host.index, next(self._inputs), seats=options.seats)
            self._settled.append(False)
        self._moments.last_task_ms = world.schedule.now_ms

    def _settle(self) -> None:
        """Wait until all logs are equal and all tasks final, and for as long as was asked for."""
        moments = self._moments
        least_ms = self._options.minutes * 60_000 - self._world.schedule.now_ms
        for _ in self._seconds("settle", max(SETTLE_MS, least_ms)):
            now_ms, newest = self._world.schedule.now_ms, self._samples[-1]
            if newest.final < self._options.tasks:
                moments.final_ms = None
            elif moments.final_ms is None:
                moments.final_ms = now_ms
            # Only when counts and digests are equal is it worth comparing logs word by word.
            if newest.logs > 1 or not are_equal(self._honest):
                moments.equal_ms = None
            elif moments.equal_ms is None:
                moments.equal_ms = now_ms
            if moments.final_ms and moments.equal_ms and now_ms >= self._options.minutes * 60_000:
                return

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
        for at, order in enumerate(world.users.orders):
            if not self._settled[at]:
                self._settled[at] = is_settled(world.hosts[order.host], order)
        return Sample(
            now_ms=world.schedule.now_ms,
            known_min=min(known, default=0),
            records_min=held[0],
            records_median=held[len(held) // 2],
            records_max=held[-1],
            logs=len(logs),
            asked=len(world.users.orders),
            final=sum(self._settled),
            copies=counts.copies,
            copy_bytes=counts.copy_bytes,
            presence_copies=counts.presence_copies,
            presence_bytes=counts.presence_bytes,
            sync_bytes=counts.sync_bytes,
        )

    def _measured(self) -> Report:
        world, moments = self._world, self._moments
        counts = world.counts
        return Report(
            options=self._options,
            trace_hash=world.trace.hexdigest(),
            problems=problems(world),
            outcomes=outcomes(world),
            casts=tally(world),
            times=Times(
                simulated_ms=world.schedule.now_ms,
                known_ms=moments.known_ms,
                last_task_ms=moments.last_task_ms,
                equal_ms=moments.equal_ms,
                final_ms=moments.final_ms,
            ),
            costs=Costs(
                published=counts.published,
                copies=counts.copies,
                copy_bytes=counts.copy_bytes,
                presence_copies=counts.presence_copies,
                presence_bytes=counts.presence_bytes,
                lost=counts.lost,
                sync_bytes=counts.sync_bytes,
            ),
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


def _introduce_unheard(host: Host) -> None:
    """Have a node find its own profile said already, so that it says none.

    No record stands behind it and nobody else hears of it; verdicts do not depend on it.
    """
    said = Profile(0, host.name, "simulated")
    host.rows.stage({layout.PROFILE + host.key: layout.pack_profile(Digest(bytes(32)), said)})


def _log_of(host: Host) -> Log:
    sizes = [
        len(host.rows.get(layout.RECORD + record_id) or b"")
        for _, record_id in record_ids(host.rows)
    ]
    return Log(records=len(sizes), record_bytes=sum(sizes))

"""One seed, from the first storm to the last promise: `run_trial(17)`.

First faults of every kind happen while users ask. Then the weather clears up, and within a bound
all logs must be equal and every task settled; what is still broken then is returned as problems.
"""

import argparse
import gc
import multiprocessing
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.sim.cast_cheats import Equivocator
from node.sim.counts import Counts
from node.sim.dice import PPM, Dice
from node.sim.oracle import are_equal, is_settled, problems
from node.sim.settled import count_states, unsettled
from node.sim.storm import Exposed, Storm
from node.sim.weather import Weather
from node.sim.witness import Witness
from node.sim.world import World

# A task may have to be tried four times more, each for a reveal window, and its jurors to start.
SETTLED_WITHIN_MS = 180_000
EQUAL_WITHIN_MS = 60_000  # of the last verdict
_LOOK_MS = 1_000
_COUNT_MAX = 10_000  # a guess: nobody waits for more nodes or minutes
LONG_RUN = 30  # seeds; with fewer a rare state may be missing by chance

# What a long run must have reached, or it has not tried what it seems to.
SOMETIMES = (
    "a clock jumped",
    "a crash amid a publish",
    "a crash before the journal was written",
    "a crash between journal and publish",
    "a crash while starting",
    "a cut of power took rows",
    "a full disk stopped a write",
    "a jury in several records",
    "a message came twice",
    "a model run failed",
    "a process was stopped for a while",
    "a record of the future was stored",
    "a record was published again",
    "a stand-by stepped in",
    "a task was split",
    "a task was tried again",
    "a task was void",
    "an answer was opened late",
    "links were clogged",
    "sync repaired a gap",
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one seed.

    Attributes:
        seed: It.
        weather: What happened.
        problems: Promises that were broken, one line each.
        counts: Traffic, and how often each rare state was reached.
        trace_hash: A hash over everything that happened, 64 digits.
        tasks: How many were asked for at honest hosts.
        final: How many of them ended final.
        healed_ms: From the end of the storm until all logs were equal and all tasks settled.
    """

    seed: int
    weather: Weather
    problems: tuple[str, ...]
    counts: Counts
    trace_hash: str
    tasks: int
    final: int
    healed_ms: int

    @property
    def line(self) -> str:
        """Return the outcome in one line."""
        said = "ok" if not self.problems else f"{len(self.problems)} problems"
        return (
            f"seed {self.seed}: {said}, {self.final} of {self.tasks} tasks final, "
            f"healed in {self.healed_ms / 1_000:.0f} s, trace {self.trace_hash[:16]}"
        )

    def report(self) -> str:
        """Return everything that is needed to see it fail again."""
        weather = self.weather
        replay = f"make sim SEED={self.seed} NODES={weather.nodes} MINUTES={weather.minutes}"
        return "\n".join(
            [
                self.line,
                *(f"  problem: {one}" for one in self.problems),
                *(f"  {one}" for one in weather.lines()),
                f"  trace hash {self.trace_hash}",
                f"  commit {_commit()}, Python {platform.python_version()}",
                f"  again: {replay}" if weather == _drawn_like(self) else "  weather of a test",
            ]
        )


def run_trial(
    seed: int,
    *,
    nodes: int = 7,
    minutes: int = 10,
    weather: Weather | None = None,
    prepare: Callable[[World], None] | None = None,
) -> Trial:
    """Run one seed to its end.

    Args:
        seed: What everything follows from.
        nodes: Honest hosts.
        minutes: How long the storm lasts, in virtual time.
        weather: Used instead of one drawn from the seed; then `nodes` and `minutes` are its own.
        prepare: Told of the world before anything happens in it.
    """
    weather = weather or Weather.drawn(seed, nodes=nodes, minutes=minutes)
    world = make_world(seed, weather)
    if prepare is not None:
        prepare(world)
    storm = Storm(world, weather)
    world.boot()
    storm.begin()
    _ask_all_along(world, weather)
    world.run(weather.storm_ms)
    storm.calm()
    calm_ms = world.schedule.now_ms
    for host in world.hosts:  # the healed network must do what it is for
        if host.is_honest:
            world.users.ask(host.index, f"after the storm at {host.index}".encode())
    _wait(world, SETTLED_WITHIN_MS, settled=True)
    _wait(world, EQUAL_WITHIN_MS, settled=False)
    found = [*problems(world, all_final=False), *unsettled(world)]
    count_states(world)
    orders = [one for one in world.users.orders if world.hosts[one.host].is_honest]
    return Trial(
        seed=seed,
        weather=weather,
        problems=tuple(found),
        counts=world.counts,
        trace_hash=world.trace.hexdigest(),
        tasks=len(orders),
        final=sum(is_settled(world.hosts[order.host], order) for order in orders),
        healed_ms=world.schedule.now_ms - calm_ms,
    )


def make_world(seed: int, weather: Weather) -> World:
    """Return a world of honest hosts, and equivocators, that waits to be booted."""
    world = World(
        seed,
        keeps_undo=weather.power_ppm > 0,
        wrong_ppm=weather.wrong_ppm,
        work_bits=weather.work_bits,
    )
    world.oracle = Witness(world)
    dice = Dice(seed, "workers")
    for _ in range(weather.nodes):
        is_slow = dice.chance(weather.slow_ppm)
        run_ms = weather.slow_ms if is_slow else dice.between(20, 300)
        world.add(Exposed, run_ms=run_ms).failed_ppm = weather.failed_ppm
    for _ in range(weather.equivocators):
        world.add(Equivocator)
    world.wire(weather.dials, delay_ms=(weather.delay_low_ms, weather.delay_high_ms))
    return world


def _ask_all_along(world: World, weather: Weather) -> None:
    dice = Dice(world.seed, "users")
    hosts = range(len(world.hosts))
    at_ms = 0
    while True:
        at_ms += dice.between(weather.task_every_ms // 2, weather.task_every_ms * 3 // 2)
        if at_ms >= weather.storm_ms:
            return
        seats, asked = dice.pick(weather.seats), f"text of {at_ms} ms".encode()
        world.schedule.at(at_ms, _ask, world, dice.pick(hosts), asked, seats)


def _ask(world: World, host: int, asked: bytes, seats: int) -> None:
    world.users.ask(host, asked, seats=seats)


def _wait(world: World, most_ms: int, *, settled: bool) -> None:
    """Let time pass until all is settled, or logs are equal as well; no longer than a bound.

    The bound is told by the slowest clock there is, since every wait of its host is.
    """
    slowest_ppm = min(PPM, *(host.clock.rate_ppm for host in world.hosts))
    until_ms = world.schedule.now_ms + most_ms * PPM // slowest_ppm
    honest = [host for host in world.hosts if host.is_honest]
    while world.schedule.now_ms < until_ms:
        if not unsettled(world) and (settled or are_equal(honest)):
            return
        world.run(_LOOK_MS)


def _drawn_like(trial: Trial) -> Weather:
    weather = trial.weather
    return Weather.drawn(trial.seed, nodes=weather.nodes, minutes=weather.minutes)


def _commit() -> str:
    """Return which commit this is, if it is one."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _run_one(asked: tuple[int, int, int]) -> Trial:
    """Run one seed in a process of its own; a world is one circle of references, freed at once."""
    seed, nodes, minutes = asked
    gc.disable()
    try:
        return run_trial(seed, nodes=nodes, minutes=minutes)
    finally:
        gc.enable()
        gc.collect()


def _seeds(text: str) -> list[int]:
    """Read seeds: `17`, `0-59`, `1,5,7-9`."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"seeds: {text!r}, need numbers such as 0-59 or 1,5")
        seeds.extend(range(int(first), int(last or first) + 1))
    return seeds


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _COUNT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}, need a number from 1 to {_COUNT_MAX}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run seeds and print what came of each; return 1 if one failed, or a rare state is missing."""
    parser = argparse.ArgumentParser(prog="python -m node.sim.trial", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("0-59"), help="e.g. 0-59 or 17")
    parser.add_argument("--nodes", type=_count, default=7)
    parser.add_argument("--minutes", type=_count, default=10, help="of storm, in virtual time")
    parser.add_argument("--jobs", type=_count, default=1, help="processes")
    parser.add_argument("--quiet", action="store_true", help="say nothing of seeds that are fine")
    asked = parser.parse_args(arguments)
    work = [(seed, asked.nodes, asked.minutes) for seed in asked.seeds]
    sums: dict[str, int] = {}
    failed: list[int] = []
    with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
        for trial in pool.imap(_run_one, work):
            if trial.problems:
                failed.append(trial.seed)
            if trial.problems or len(work) == 1:
                print(trial.report(), flush=True)
            elif not asked.quiet:
                print(trial.line, flush=True)
            for name, times in trial.counts.sometimes.items():
                sums[name] = sums.get(name, 0) + times
    never = [name for name in SOMETIMES if not sums.get(name)] if len(work) >= LONG_RUN else []
    for name in sorted({*sums, *never}):
        print(f"{sums.get(name, 0):>9} x {name}")
    print(f"{len(work)} seeds: {len(failed)} failed {failed}, {len(never)} states never reached")
    return 1 if failed or never else 0


if __name__ == "__main__":
    sys.exit(main())

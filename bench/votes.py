"""What votes are worth: how often a quorum is wrong, captured or copied, beside what the odds say.

Many small simulated worlds in fair weather, one seed after the other, until enough tasks are
counted. Nothing here depends on the machine or its clock: a seed gives the same table everywhere.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from node.sim import ballots
from node.sim.odds import PPM, Bloc, binomial_ppm, drawn_ppm, error_ppm
from node.sim.verdicts import Outcomes, outcomes, tally
from node.sim.world import World

LIARS_PPM = 200_000
TASKS = 20_000  # with fewer, chance alone may be off by more than is promised
TASKS_A_WORLD = 2_500  # more would need more memory, not less time
WORKERS = 200
OFF_PPM_MAX = 5_000  # from binomial: half a point
CAPTURED_PPM_MAX = 5_000
RUNS_OVER_SEATS_MAX = 0.5
SIGMAS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        what: What was counted.
        tasks: Over how many tasks.
        measured: What came of it.
        predicted: What the odds, or the promise, say.
        holds: Whether the promise holds.
    """

    what: str
    tasks: int
    measured: str
    predicted: str
    holds: bool


def liars(seed: int, share: float, *, seats: int, machines: int) -> Iterator[Line]:
    """Count wrong verdicts where a fifth of the workers tells one lie."""
    wrong = asked = unsettled = again = 0
    target = max(1, round(TASKS * share))
    while asked < target:
        tasks = min(TASKS_A_WORLD, target - asked)
        world = ballots.crowd_with_liars(
            seed, tasks=tasks, seats=seats, machines=machines, workers=WORKERS
        )
        found = outcomes(world)
        wrong, asked = wrong + found.wrong, asked + found.tasks
        unsettled, again = unsettled + found.tasks - found.final, again + found.retried
        seed += 1
        _progress(f"{seats} seats: {wrong} of {asked} wrong, {unsettled} open, {again} retried")
    measured = wrong * PPM // asked
    odds = binomial_ppm(LIARS_PPM, seats=seats)
    lying = WORKERS * LIARS_PPM // PPM
    drawn = drawn_ppm([Bloc(lying, PPM), Bloc(WORKERS - lying, 0)], seats=seats)
    error = error_ppm(measured, tasks=asked)
    allowed = OFF_PPM_MAX if asked >= TASKS else OFF_PPM_MAX + SIGMAS * error
    yield Line(
        f"wrong verdicts, {seats} seats, 20 % lie",
        asked,
        f"{_percent(measured)} ± {_percent(error)}",
        f"{_percent(odds)}; drawn from {WORKERS}: {_percent(drawn)}",
        abs(measured - odds) <= allowed and unsettled == 0 and again == 0,
    )


def machines_that_lie(seed: int, share: float) -> Iterator[Line]:
    """Count the same where every worker is a whole machine, and hold juries against the ranking."""
    tasks = max(10, round(500 * share))
    for seats in (3, 5, 7):
        world = ballots.machines_with_liars(seed, tasks=tasks, seats=seats, workers=150)
        found = outcomes(world)
        late = ballots.seated_out_of_turn(world)
        _progress(f"150 whole machines, {seats} seats: {found.wrong} of {found.tasks} wrong")
        error = error_ppm(found.predicted_wrong_ppm, tasks=tasks)
        yield Line(
            f"the same, 150 whole machines, {seats} seats",
            tasks,
            f"{_percent(found.wrong_ppm)}; {late} juries not the first in rank",
            f"{_percent(found.predicted_wrong_ppm)} ± {_percent(error)}; 0",
            late == 0 and abs(found.wrong_ppm - found.predicted_wrong_ppm) <= SIGMAS * error,
        )


def hasty(seed: int, share: float) -> Iterator[Line]:
    """Count quorums of three keys that answer at once among 100 honest machines."""
    target, each = max(50, round(2_000 * share)), 500
    asked = taken = wrong = 0
    while asked < target:
        world = ballots.with_hasty_keys(seed, tasks=min(each, target - asked))
        keys = [key for key, index in world.index_of.items() if index == len(world.hosts) - 1]
        asked += len(world.users.orders)
        taken += ballots.captured(world, keys)
        wrong += outcomes(world).wrong
        seed += 1
        _progress(f"hasty keys: {taken} of {asked} quorums, {wrong} verdicts")
    odds = drawn_ppm([Bloc(3, PPM), Bloc(100, 0)], seats=3)
    measured = taken * PPM // asked
    yield Line(
        "quorums of 3 hasty keys among 100 machines",
        asked,
        f"{_percent(measured)} ({taken}); {wrong} wrong verdicts",
        f"{_percent(odds)}; at most {_percent(CAPTURED_PPM_MAX)}",
        measured <= CAPTURED_PPM_MAX,
    )


def copycat(seed: int, share: float) -> Iterator[Line]:
    """Count how often a copycat agrees, without retries and with them."""
    copied = ballots.Copied()
    target = max(100, round(10_000 * share))
    while copied.seats < target:
        copied.add(ballots.with_copycat(seed, tasks=min(TASKS_A_WORLD, 3 * target)))
        seed += 1
        _progress(f"copycat: {copied.agreed} of {copied.seats} seats agreed, by {copied.tried}")
    guess = max(copied.positive, copied.tasks - copied.positive) * PPM // copied.tasks
    opened = max(1, copied.agreed + copied.dissented)
    agreed, of_opened = copied.agreed * PPM // copied.seats, copied.agreed * PPM // opened
    error = error_ppm(guess, tasks=opened)
    yield Line(
        f"seats of a copycat ({copied.seats}) that agree",
        copied.tasks,
        f"{_percent(agreed)}; of answers it opened {_percent(of_opened)} ± {_percent(error)}; "
        f"{copied.opened_early} opened early",
        f"{_percent(guess)} by the best constant guess",
        agreed <= guess
        and of_opened <= guess + SIGMAS * error
        and copied.opened_early == copied.retry_seats == 0,
    )
    again = ballots.Copied()
    for at in range(max(1, round(5 * share))):
        again.add(ballots.with_copycat(seed + at, tasks=400, withholders=2))
        _progress(f"copycat with retries: {again.retry_agreed} of {again.retry_seats} agreed")
    yield Line(
        f"the same beside 2 that withhold ({again.seats} seats)",
        again.tasks,
        f"{_percent(again.agreed * PPM // max(1, again.seats))}; at retries "
        f"{again.retry_agreed} of {again.retry_seats} seats",
        "at retries all: what was opened before is no secret",
        again.agreed * 2 <= again.seats,
    )


def survivors(seed: int, share: float) -> Iterator[Line]:
    """See every task settled although workers die, or many keys are silent."""
    tasks = max(10, round(100 * share))
    world = ballots.with_dead_workers(seed, nodes=50, tasks=tasks)
    yield _settled("final although 30 % of 50 die without a word", world)
    tasks = max(4, round(40 * share))
    world = ballots.with_silent_keys(seed, keys=1_000, tasks=tasks)
    yield _settled("final beside 1,000 silent keys, 10 honest", world)


def runs(seed: int, share: float) -> Iterator[Line]:
    """Count model runs where nothing happens."""
    world = ballots.in_fair_weather(seed, nodes=100, tasks=max(10, round(200 * share)))
    found = outcomes(world)
    _report(world, found)
    yield Line(
        "model runs a task, 100 machines, 3 seats",
        found.tasks,
        f"{found.runs_per_task:.2f}; {found.final} final",
        f"at most {3 + RUNS_OVER_SEATS_MAX}",
        found.runs_per_task <= 3 + RUNS_OVER_SEATS_MAX and found.final == found.tasks,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="how much of it to count")
    parser.add_argument("--machines", type=int, default=8, help="whole machines among 200 workers")
    parser.add_argument("--only", help="one part: " + ", ".join(_parts(0)))
    asked = parser.parse_args(arguments)
    parts = _parts(asked.machines)
    if asked.only is not None and asked.only not in parts:
        parser.error(f"--only {asked.only}: must be one of {', '.join(parts)}")
    gc.disable()  # a world is one large knot, and is done with as a whole
    lines = []
    for name, part in parts.items():
        if asked.only in (None, name):
            lines += list(part(asked.seed, asked.share))
            gc.collect()
    print(f"seed {asked.seed}, share {asked.share}")
    for line in lines:
        word = "ok" if line.holds else "NO"
        print(f"{word:2} | {line.what} | {line.tasks} tasks | {line.measured} | {line.predicted}")
    return 0 if all(line.holds for line in lines) else 1


def _parts(machines: int) -> dict[str, Callable[[int, float], Iterator[Line]]]:
    counted = {
        f"liars-{seats}": partial(liars, seats=seats, machines=machines) for seats in (3, 5, 7)
    }
    return {
        **counted,
        "machines": machines_that_lie,
        "hasty": hasty,
        "copycat": copycat,
        "survivors": survivors,
        "runs": runs,
    }


def _settled(what: str, world: World) -> Line:
    found = outcomes(world)
    _report(world, found)
    return Line(
        what,
        found.tasks,
        f"{found.final} final, {found.retried} tried again; after {found.final_ms_p50} ms, "
        f"99 of 100 within {found.final_ms_p99} ms; {found.runs_per_task:.1f} runs a task",
        "all",
        found.final == found.tasks,
    )


def _report(world: World, found: Outcomes) -> None:
    for one in (found, *tally(world)):
        _progress(str(one))


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:.2f} %"


def _progress(line: str) -> None:
    print(f"{time.process_time():6.0f} s  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""How the verdicts of a world compare with the truth, and how each kind of its cast fared.

Read from one honest log; after a healed run all of them are equal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consensus import layout
from consensus.contributions import Counters
from consensus.log import (
    chain_answer,
    chain_of,
    faults_of,
    find_verdict,
    pairs_of,
    record_count,
)
from consensus.reputation import reputation_ppm
from consensus.verdict import State
from node.sim.cast_keys import KeyHolder
from node.sim.cast_voters import Voter
from node.sim.host import Host
from node.sim.odds import Bloc, drawn_ppm
from node.sim.users import Order
from node.sim.world import World
from protocol.ids import PublicKey

_SEAT_BYTES = 64


@dataclass(frozen=True, slots=True)
class CastTally:
    """How all keys of one kind fared together.

    Attributes:
        cast: The kind, e.g. "honest".
        keys: How many there are.
        seats: Seats they were given, over all attempts at all tasks.
        agreed: Opened answers that became the verdict.
        dissented: Opened answers that lost.
        excused: Those that lost where the winners were nearly tied.
        absent: Sealed answers that were never opened.
        points: What they earned.
        reputation_ppm_median: The reputation of the middle one of them; of two, the lower.
    """

    cast: str
    keys: int
    seats: int
    agreed: int
    dissented: int
    excused: int
    absent: int
    points: int
    reputation_ppm_median: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of everything that users asked for and no node refused.

    Attributes:
        tasks: How many; a task and its retries count once.
        final: Those with an answer.
        wrong: Those of them with a wrong one.
        split: Without an answer, the last attempt split.
        void: Without an answer, the last attempt void.
        open: All others: nobody knows yet.
        retried: Tasks that were tried more than once.
        runs_per_task: Model runs begun, by whomever, for each task.
        final_ms_p50: From the request to the verdict at the user's node; half took no longer.
        final_ms_p99: The same for 99 of 100; both 0 if none was seen to end.
        predicted_wrong_ppm: Wrong verdicts of first attempts to be expected of all tasks by the
            odds alone, were the seats given by lot to those who can run them.
    """

    tasks: int
    final: int
    wrong: int
    split: int
    void: int
    open: int
    retried: int
    runs_per_task: float
    final_ms_p50: int
    final_ms_p99: int
    predicted_wrong_ppm: int

    @property
    def wrong_ppm(self) -> int:
        """Return the share of wrong verdicts among all tasks."""
        return self.wrong * 1_000_000 // self.tasks if self.tasks else 0


def tally(world: World) -> list[CastTally]:
    """Return how each kind of the cast fared, in the order of their first hosts."""
    rows = _fullest(world).rows
    casts = {key: world.hosts[index].cast for key, index in world.index_of.items()}
    counters: dict[PublicKey, list[Counters]] = {}
    for (_, worker), pair in pairs_of(rows).items():
        counters.setdefault(worker, []).append(pair)
    faults = faults_of(rows)
    seats: dict[str, int] = {}
    for _, value in rows.scan(layout.JUDGED):
        for juror in _jurors(layout.read_judged(value).seats):
            cast = casts.get(juror, "unknown")
            seats[cast] = seats.get(cast, 0) + 1
    keys_of: dict[str, list[PublicKey]] = {}
    for key, cast in casts.items():
        if not _is_idle(world, key):
            keys_of.setdefault(cast, []).append(key)
    found = []
    for cast, keys in keys_of.items():
        pairs = [pair for key in keys for pair in counters.get(key, ())]
        sums = Counters(*(sum(column) for column in zip(*pairs, strict=True))) if pairs else None
        agreed, dissented, excused, absent = sums or Counters()
        reputations = sorted(
            reputation_ppm(counters.get(key, ()), faults.get(key, 0)) for key in keys
        )
        found.append(
            CastTally(
                cast=cast,
                keys=len(keys),
                seats=seats.get(cast, 0),
                agreed=agreed,
                dissented=dissented,
                excused=excused,
                absent=absent,
                points=agreed,
                reputation_ppm_median=reputations[(len(reputations) - 1) // 2],
            )
        )
    return found


def outcomes(world: World) -> Outcomes:
    """Return what became of all tasks, held against the truth."""
    rows = _fullest(world).rows
    orders = [order for order in world.users.orders if not order.refused]
    counts = dict.fromkeys(State, 0)
    wrong = retried = 0
    for order in orders:
        state = State.OPEN
        if order.task_id is not None:
            chain = chain_of(rows, order.task_id)
            retried += len(chain) > 1
            found = chain_answer(rows, chain)
            if found is not None:
                state = State.FINAL
                wrong += found[1].answer != world.models.truth(order.input_bytes)
            elif chain:
                verdict = find_verdict(rows, chain[-1])
                assert verdict is not None, "every attempt of a chain is known"
                state = verdict.state
        counts[state] += 1
    waits = sorted(
        order.final_ms - order.asked_ms for order in orders if order.final_ms is not None
    )
    runs = sum(world.models.runs.values())
    return Outcomes(
        tasks=len(orders),
        final=counts[State.FINAL],
        wrong=wrong,
        split=counts[State.SPLIT],
        void=counts[State.VOID],
        open=counts[State.OPEN] + counts[State.SEATED],
        retried=retried,
        runs_per_task=runs / len(orders) if orders else 0.0,
        final_ms_p50=percentile(waits, 50),
        final_ms_p99=percentile(waits, 99),
        predicted_wrong_ppm=_predicted_ppm(world, orders),
    )


def percentile(ascending: Sequence[int], percent: int) -> int:
    """Return the least value that so many of a hundred do not exceed; 0 of no values.

    >>> percentile([10, 20, 30, 40], 50), percentile([10, 20, 30, 40], 99), percentile([], 50)
    (20, 40, 0)
    """
    if not ascending:
        return 0
    return ascending[max(0, -(-len(ascending) * percent // 100) - 1)]


def _fullest(world: World) -> Host:
    """Return the honest host that holds most records, the first of several."""
    honest = [host for host in world.hosts if host.is_honest and not host.halted]
    assert honest, "only honest logs are read, and there is none"
    return max(honest, key=lambda host: (record_count(host.rows), -host.index))


def _jurors(seats: bytes) -> Iterator[PublicKey]:
    for at in range(0, len(seats), _SEAT_BYTES):
        yield PublicKey(seats[at : at + 32])


def _predicted_ppm(world: World, orders: Sequence[Order]) -> int:
    """Add up, for each wrong answer by itself, how often a quorum gives it."""
    known: dict[tuple[int, int], int] = {}
    total = 0
    for order in orders:
        key = (order.seats, order.host)
        if key not in known:
            known[key] = sum(
                drawn_ppm(blocs, seats=order.seats) for blocs in _blocs(world, order.host)
            )
        total += known[key]
    return round(total / len(orders)) if orders else 0


def _blocs(world: World, submitter: int) -> Iterator[list[Bloc]]:
    """Return all who can run a task, once by how often they say the other label, once by lies."""
    shares: dict[tuple[int, int], int] = {}
    for key, index in world.index_of.items():
        host = world.hosts[index]
        can_run = host.offered if isinstance(host, KeyHolder) else host.capabilities
        if index == submitter or not can_run or _is_idle(world, key):
            continue
        share = (world.models.wrong_ppm, 0)
        if isinstance(host, Voter):
            share = (host.wrong_ppm, host.lie_ppm)
        shares[share] = shares.get(share, 0) + 1
    yield [Bloc(workers, wrong_ppm) for (wrong_ppm, _), workers in shares.items()]
    yield [Bloc(workers, lie_ppm) for (_, lie_ppm), workers in shares.items()]


def _is_idle(world: World, key: PublicKey) -> bool:
    """Answer whether a key only keeps the log for other keys of its operator."""
    host = world.hosts[world.index_of[key]]
    return isinstance(host, KeyHolder) and key == host.key

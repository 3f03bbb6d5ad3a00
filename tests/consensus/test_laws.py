"""What must hold of every log: it is a set, and its verdicts are a function of that set."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from consensus import log
from consensus.incremental import fold, would_keep
from consensus.layout import JURY, PROFILE, RECORD
from consensus.leaderboard import leaderboard
from consensus.replay import MarketState, replay
from consensus.verdict import State
from protocol.ids import PublicKey, TaskId
from protocol.record import Verified
from tests.builders import NETWORK, a_market_day, a_presence, a_record, a_task
from tests.fakes import MemoryRows
from tests.strategies import histories

quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
dice = st.integers(0, 2**32)

LADDER = {State.OPEN: 0, State.SEATED: 1, State.FINAL: 2, State.SPLIT: 2, State.VOID: 3}


def folded(records: Sequence[Verified], sizes: Iterable[int] = ()) -> MemoryRows:
    """Fold records in calls of the given sizes, the rest in one."""
    rows = MemoryRows()
    at = 0
    for size in (*sizes, len(records)):
        rows.apply(fold(rows, records[at : at + size], NETWORK).changes)
        at += size
    return rows


def state_of(rows: MemoryRows) -> MarketState:
    """Read from rows everything that a replay tells."""
    task_ids = sorted(log.newest_tasks(rows, limit=10_000))
    tasks = {task_id: log.find_task(rows, task_id) for task_id in task_ids}
    verdicts = {task_id: log.find_verdict(rows, task_id) for task_id in task_ids}
    pairs, faults = log.pairs_of(rows), log.faults_of(rows)
    authors = [PublicKey(key[1:]) for key, _ in rows.scan(PROFILE)]
    profiles = {author: log.find_profile(rows, author) for author in authors}
    return MarketState(
        kept=tuple(sorted(record_id for _, record_id in log.record_ids(rows))),
        tasks={key: task for key, task in tasks.items() if task is not None},
        verdicts={key: verdict for key, verdict in verdicts.items() if verdict is not None},
        pairs=pairs,
        faults=faults,
        profiles={key: profile for key, profile in profiles.items() if profile is not None},
        digest=log.state_digest(rows),
        leaderboard=leaderboard(pairs, faults),
    )


@quick
@given(histories())
def test_fold__equals_replay(history: list[Verified]) -> None:
    expected = replay(history, NETWORK)

    rows = folded(history)

    assert state_of(rows) == expected
    assert log.record_count(rows) == len(expected.kept)
    assert [log.has_record(rows, record_id) for record_id in expected.kept] == [True] * len(
        expected.kept
    )
    states = [verdict.state for verdict in expected.verdicts.values()]
    assert log.task_counts(rows) == {state: states.count(state) for state in State}
    assert list(log.undecided(rows)) == sorted(
        task_id
        for task_id, verdict in expected.verdicts.items()
        if verdict.state not in (State.FINAL, State.VOID)
    )


@quick
@given(histories(), dice)
def test_fold__does_not_depend_on_order_repetition_or_grouping(
    history: list[Verified], seed: int
) -> None:
    rng = random.Random(seed)
    shuffled = [*history, *rng.choices(history, k=len(history) // 2)] if history else []
    rng.shuffle(shuffled)
    sizes = [rng.randint(1, 4) for _ in shuffled]

    together = folded(history)
    apart = folded(shuffled, sizes)

    assert apart.rows == together.rows  # every row: records, indexes, verdicts, scores, digest


@quick
@given(histories(), dice)
def test_fold__only_climbs_the_ladder(history: list[Verified], seed: int) -> None:
    random.Random(seed).shuffle(history)
    rows = MemoryRows()
    before: dict[TaskId, tuple[State, bytes]] = {}

    for record in history:
        rows.apply(fold(rows, [record], NETWORK).changes)
        now: dict[TaskId, tuple[State, bytes]] = {}
        for task_id in log.newest_tasks(rows, limit=10_000):
            verdict = log.find_verdict(rows, task_id)
            assert verdict is not None
            now[task_id] = (verdict.state, verdict.answer)
        for task_id, (state, answer) in before.items():
            # Of final and split neither is above the other, so a step between them is a fall.
            climbed = LADDER[now[task_id][0]] > LADDER[state]
            assert climbed or now[task_id] == (state, answer)
        before = now


@quick
@given(histories(), dice)
def test_fold__says_truly_what_it_stored_dropped_and_rejudged(
    history: list[Verified], seed: int
) -> None:
    rng = random.Random(seed)
    rng.shuffle(history)
    rows = MemoryRows()

    while history:
        some = [history.pop() for _ in range(min(len(history), rng.randint(1, 5)))]
        held = {record_id for _, record_id in log.record_ids(rows)}
        verdicts = {id_: log.find_verdict(rows, id_) for id_ in log.newest_tasks(rows, limit=999)}
        keeps = would_keep(rows, some[0], NETWORK)
        step = fold(rows, some, NETWORK)
        rows.apply(step.changes)

        holds = {record_id for _, record_id in log.record_ids(rows)}
        assert set(step.stored) == holds - held
        assert set(step.dropped) == held - holds
        assert len(step.stored) == len(set(step.stored))
        if len(some) == 1:
            assert keeps == bool(step.stored)
        for id_ in log.newest_tasks(rows, limit=999):
            if verdicts.get(id_) != log.find_verdict(rows, id_) and id_ not in step.rejudged:
                pytest.fail("a verdict changed without being judged again")


def test_fold__adds_nothing_the_second_time() -> None:
    day = a_market_day("an", a_task(), {"bo": "positive", "cy": "positive", "di": "negative"})
    rows = folded(day)

    again = fold(rows, day, NETWORK)

    assert (again.changes, again.stored, again.dropped, again.rejudged) == ({}, (), (), ())


def test_fold__refuses_a_presence() -> None:
    with pytest.raises(AssertionError):
        fold(MemoryRows(), [a_record("an", a_presence())], NETWORK)


def _first_jury_wins(rows: MemoryRows, record: Verified) -> None:
    """Fold wrongly: whichever jury comes first fills the slot."""
    jury = record.jury
    if jury is None or rows.get(JURY + jury.task_id + record.author) is None:
        rows.apply(fold(rows, [record], NETWORK).changes)


def _arrival_order_wins(rows: MemoryRows, record: Verified) -> None:
    """Fold wrongly: statements about a task that is not known yet are lost."""
    if record.jury is None or log.find_task(rows, record.jury.task_id) is not None:
        rows.apply(fold(rows, [record], NETWORK).changes)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("wrong_fold", [_first_jury_wins, _arrival_order_wins])
def test_laws__catch_a_fold_that_depends_on_arrival(
    wrong_fold: Callable[[MemoryRows, Verified], None],
) -> None:
    def breaks_the_law(history: list[Verified]) -> bool:
        there, back = MemoryRows(), MemoryRows()
        for record in history:
            wrong_fold(there, record)
        for record in reversed(history):
            wrong_fold(back, record)
        return log.state_digest(there) != log.state_digest(back)

    search = settings(quick, max_examples=2_000, phases=[Phase.generate])
    try:
        culprit = find(histories(), breaks_the_law, settings=search)
    except NoSuchExample:
        pytest.fail("no history shows that this fold is wrong")

    assert folded(culprit).rows == folded(culprit[::-1]).rows


def test_digest__does_not_depend_on_the_hash_seed() -> None:
    script = (
        "from tests.builders import *; from tests.fakes import MemoryRows\n"
        "from consensus.incremental import fold; from consensus import log\n"
        "rows = MemoryRows(); answers = dict.fromkeys(('bo', 'cy', 'di'), 'positive')\n"
        "records = [r for n in range(8) for r in a_market_day('an', a_task(nonce=n), answers)]\n"
        "done = fold(rows, records, NETWORK); rows.apply(done.changes)\n"
        "print(log.state_digest(rows).hex(), [i.hex() for i in done.rejudged])"
    )
    shown = set()
    for hash_seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, check=True
        )
        shown.add(done.stdout)

    assert len(shown) == 1


def test_record_rows__hold_the_bytes_that_came() -> None:
    record = a_record("an", a_task())

    rows = folded([record])

    assert log.find_record(rows, record.record_id) == record.raw
    assert rows.get(RECORD + record.record_id) == record.raw

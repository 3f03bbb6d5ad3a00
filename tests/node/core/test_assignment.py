"""Who runs a task and when: the ranking, the delays, and both sides of each edge."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.assignment import (
    WORKERS_REMEMBERED_MAX,
    _known_order,
    delay_ms,
    due_count,
    may_start,
    ranked,
)
from protocol.ids import PublicKey, TaskId, sha256

TASK = TaskId(bytes(32))
KEYS = [PublicKey(bytes([number]) * 32) for number in range(32)]
MANY = [PublicKey(sha256(number.to_bytes(4))) for number in range(3_000)]


@given(st.sets(st.sampled_from(KEYS)), st.randoms(use_true_random=False))
def test_ranked__does_not_depend_on_the_order_given(
    workers: set[PublicKey], rng: random.Random
) -> None:
    shuffled = sorted(workers)
    rng.shuffle(shuffled)

    order = ranked(TASK, shuffled)

    assert order == ranked(TASK, workers)
    assert [sha256(TASK, worker) for worker in order] == sorted(
        sha256(TASK, worker) for worker in workers
    )


@given(st.sets(st.sampled_from(KEYS), min_size=1), st.sampled_from(KEYS))
def test_ranked__keeps_the_rest_in_order_when_one_is_missing(
    workers: set[PublicKey], missing: PublicKey
) -> None:
    whole = ranked(TASK, workers)

    assert ranked(TASK, workers - {missing}) == [one for one in whole if one != missing]


@given(st.lists(st.tuples(st.integers(0, 1_200), st.integers(1, 40)), min_size=1, max_size=8))
def test_ranked__does_not_depend_on_whom_it_ranked_before(asked: list[tuple[int, int]]) -> None:
    """Some crowds are new, some known in part or whole, some few among many."""
    task = TaskId(bytes([1]) * 32)
    for start, size in asked:
        workers = set(MANY[start : start + size * size])

        order = ranked(task, workers)

        assert order == sorted(workers, key=lambda worker: sha256(task, worker))


def test_ranked__remembers_no_more_workers_than_its_bound() -> None:
    task = TaskId(bytes([2]) * 32)
    crowds = [
        [PublicKey(sha256(number.to_bytes(4), half)) for number in range(10_000)]
        for half in (b"a", b"b")
    ]

    orders = [ranked(task, crowd) for crowd in crowds]

    assert WORKERS_REMEMBERED_MAX < 2 * 10_000
    assert [set(order) for order in orders] == [set(crowd) for crowd in crowds]
    assert len(_known_order(task)) == 10_000


def test_ranked__differs_from_task_to_task() -> None:
    first = {ranked(TaskId(bytes([number]) * 32), KEYS)[0] for number in range(100)}

    assert len(first) > len(KEYS) // 2


@pytest.mark.parametrize("seats", [1, 3, 5, 31])
def test_delay_ms__doubles_its_groups(seats: int) -> None:
    groups = [delay_ms(rank, seats=seats, step_ms=1) for rank in range(seats * 16)]

    sizes = [groups.count(steps) for steps in range(5)]
    assert sizes == [seats, seats, 2 * seats, 4 * seats, 8 * seats]
    assert groups == sorted(groups)


def test_delay_ms__costs_nine_steps_for_a_thousand_silent_keys() -> None:
    assert delay_ms(1_000, seats=3, step_ms=2_000) == 9 * 2_000


@pytest.mark.parametrize(
    ("committed", "windows", "expected"),
    [
        (2, 0, True),
        (3, 0, False),
        (3, 1, True),
        (6, 1, False),
        (6, 2, True),
        (9, 2, False),
        (9, 3, True),
        (11, 3, True),
        (12, 3, False),
        (12, 4, False),
        (12, 100, False),
    ],
)
def test_may_start__asks_more_workers_with_every_window(
    committed: int, windows: int, expected: bool
) -> None:
    before = KEYS[:20]

    needed = may_start(
        before=before,
        due=KEYS,
        committed=set(before[:committed]),
        seats=3,
        windows=windows,
    )

    assert needed is expected


@pytest.mark.parametrize(("behind", "expected"), [(11, True), (12, False)])
def test_may_start__counts_all_listed_commits_towards_four_times_the_seats(
    behind: int, expected: bool
) -> None:
    committed = set(KEYS[10 : 10 + behind])

    needed = may_start(before=KEYS[:9], due=KEYS, committed=committed, seats=3, windows=0)

    assert needed is expected


def test_may_start__ignores_commits_of_keys_it_does_not_rank() -> None:
    strangers = set(KEYS[5:])

    needed = may_start(before=KEYS[:4], due=KEYS[:5], committed=strangers, seats=1, windows=0)

    assert needed


@given(st.integers(0, 60_000), st.sampled_from([1, 3, 5, 7]))
def test_due_count__counts_the_ranks_whose_delay_has_passed(elapsed_ms: int, seats: int) -> None:
    count = due_count(elapsed_ms, seats=seats, step_ms=2_000)

    assert delay_ms(count - 1, seats=seats, step_ms=2_000) <= elapsed_ms
    assert delay_ms(count, seats=seats, step_ms=2_000) > elapsed_ms

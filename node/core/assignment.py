"""Who runs a task, and when: a ranking every node computes alike, with no scheduler.

Rank r may start after `step_ms * (r // seats).bit_length()`: the first `seats` keys at once, the
stand-bys in groups whose delay grows by one step while the group doubles, so that a thousand
silent keys cost nine steps and not hundreds.
"""

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache, partial

from protocol.ids import PublicKey, TaskId, sha256

# After so many missed turns in our view, a key ranks behind every other.
MISSES_MAX = 3
WINDOWS_MAX = 4
LISTED_COMMITS_PER_SEAT_MAX = 4
DOUBLINGS_MAX = 32  # more keys than there are
# An order is ranked again when a window ends, and by every node of a simulated network. It takes
# 8 bytes a worker: with 4,096 of them this is 32 MB.
TASKS_REMEMBERED_MAX = 1_024
WORKERS_REMEMBERED_MAX = 16_384
# Picking a worker out of an order costs some 1/16 of hashing it (measured: 50 ns and 800 ns).
_PICKED_FOR_ONE_HASH = 16
_HASHED_TO_PLACE_ONE = 16


def order_of(task_id: TaskId, worker: PublicKey) -> bytes:
    """Return what a task's workers are sorted by: smaller comes first."""
    return sha256(task_id, worker)


def ranked(task_id: TaskId, workers: Collection[PublicKey]) -> list[PublicKey]:
    """Sort different workers into the order in which a task is theirs.

    Fastest where `workers` is a set or a dictionary.
    """
    among = workers if isinstance(workers, AbstractSet | Mapping) else set(workers)
    place = partial(order_of, task_id)
    known = _known_order(task_id)
    if len(known) > len(among) * _PICKED_FOR_ONE_HASH:
        return sorted(among, key=place)
    order = list(filter(among.__contains__, known))
    if len(order) < len(among):
        new = set(among).difference(order)
        if len(known) + len(new) > WORKERS_REMEMBERED_MAX:
            known.clear()
            new.update(order)
        if len(new) * _HASHED_TO_PLACE_ONE > len(known):
            known[:] = sorted([*known, *new], key=place)
            return list(filter(among.__contains__, known))
        for worker in new:
            insort(known, worker, key=place)
            insort(order, worker, key=place)
    return order


@lru_cache(maxsize=TASKS_REMEMBERED_MAX)
def _known_order(task_id: TaskId) -> list[PublicKey]:
    """Return all workers that were ever ranked for a task, in order, to be added to.

    What is remembered are hashes and nothing else, so it does not matter who asked first.
    """
    del task_id
    return []


def delay_ms(rank: int, *, seats: int, step_ms: int) -> int:
    """Return how long the worker of a rank waits from first sight.

    >>> [delay_ms(r, seats=3, step_ms=2000) for r in (0, 2, 3, 5, 6, 11, 12)]
    [0, 0, 2000, 2000, 4000, 4000, 6000]
    """
    return step_ms * (rank // seats).bit_length()


def due_count(elapsed_ms: int, *, seats: int, step_ms: int) -> int:
    """Return how many ranks, from the first, have waited long enough after so much time.

    >>> [due_count(ms, seats=3, step_ms=2000) for ms in (0, 1999, 2000, 4000, 6000)]
    [3, 3, 6, 12, 24]
    """
    return seats << min(elapsed_ms // step_ms, DOUBLINGS_MAX)


def may_start(
    *,
    before: Sequence[PublicKey],
    due: Sequence[PublicKey],
    committed: set[PublicKey],
    seats: int,
    windows: int,
) -> bool:
    """Say whether a worker is still needed.

    Args:
        before: The keys ranked before it.
        due: The keys whose turn has come, itself included. Commits of others do not count: keys
            that answer at once would keep every stand-by away, and be seated in its place.
        committed: Who has committed.
        seats: Seats asked for.
        windows: Commit windows elapsed since first sight.
    """
    rounds = min(1 + windows, WINDOWS_MAX)
    if len(committed.intersection(before)) >= seats * rounds:
        return False
    listed = len(committed.intersection(due))
    return listed < LISTED_COMMITS_PER_SEAT_MAX * seats

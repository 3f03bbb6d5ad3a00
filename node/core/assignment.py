"""Who runs a task, and when: a ranking every node computes alike, with no scheduler.

Rank r may start after `step_ms * (r // seats).bit_length()`: the first `seats` keys at once, the
stand-bys in groups whose delay grows by one step while the group doubles, so that a thousand
silent keys cost nine steps and not hundreds.
"""

from collections.abc import Collection, Iterable

from protocol.ids import PublicKey, TaskId, sha256

# After so many missed turns in our view, a key ranks behind every other.
MISSES_MAX = 3
WINDOWS_MAX = 4
LISTED_COMMITS_PER_SEAT_MAX = 4


def order_of(task_id: TaskId, worker: PublicKey) -> bytes:
    """Return what a task's workers are sorted by: smaller comes first."""
    return sha256(task_id, worker)


def ranked(task_id: TaskId, workers: Iterable[PublicKey]) -> list[PublicKey]:
    """Sort workers into the order in which a task is theirs."""
    return sorted(workers, key=lambda worker: order_of(task_id, worker))


def delay_ms(rank: int, *, seats: int, step_ms: int) -> int:
    """Return how long the worker of a rank waits from first sight.

    >>> [delay_ms(r, seats=3, step_ms=2000) for r in (0, 2, 3, 5, 6, 11, 12)]
    [0, 0, 2000, 2000, 4000, 4000, 6000]
    """
    return step_ms * (rank // seats).bit_length()


def may_start(
    *,
    before: Collection[PublicKey],
    everyone: Collection[PublicKey],
    committed: Collection[PublicKey],
    seats: int,
    windows: int,
) -> bool:
    """Say whether a worker is still needed.

    Args:
        before: The keys ranked before it.
        everyone: The whole ranking, itself included.
        committed: Who has committed.
        seats: Seats asked for.
        windows: Commit windows elapsed since first sight.
    """
    rounds = min(1 + windows, WINDOWS_MAX)
    if sum(key in committed for key in before) >= seats * rounds:
        return False
    listed = sum(key in committed for key in everyone)
    return listed < LISTED_COMMITS_PER_SEAT_MAX * seats

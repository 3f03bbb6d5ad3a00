"""Bringing the rows of an older version up to date, when a store is opened.

A step may be killed anywhere and is then done again from its beginning: it must come out right from
whatever its earlier run left. It works on the log alone; nothing here knows the journal.
"""

from collections.abc import Callable
from typing import Protocol

from consensus.log import record_count
from consensus.range_sums import rebuilt, sync_items
from consensus.rows import Changes, Rows

# Told how many records are done, and how many there are.
Progress = Callable[[int, int], None]


class Log(Rows, Protocol):
    """Rows that can be written."""

    def stage(self, changes: Changes) -> None:
        """Lay changes over the rows."""
        ...

    def flush(self, *, sync: bool = False) -> None:
        """Write everything staged, all or none."""
        ...


def keep_range_sums(log: Log, progress: Progress) -> None:
    """Count every record into the sums that the sync compares."""
    total = record_count(log)
    for changes in rebuilt(log):
        log.stage(changes)
        log.flush()
        progress(sync_items(log).size, total)


# Each takes the log from this format to the next.
STEPS: dict[int, Callable[[Log, Progress], None]] = {1: keep_range_sums}


def upgrade(log: Log, *, format: int, progress: Progress) -> int:
    """Take the log one format further and return that format; all of it is on the disk then."""
    STEPS[format](log, progress)
    log.flush(sync=True)
    return format + 1

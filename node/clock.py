"""The clocks of a node: one to wait by, one to date records by, one to time its own work by."""

import time

import trio

from node.core.events import Now


class Clock:
    """Reads trio's monotonic clock, which a test can drive, and the Unix clock."""

    def now(self) -> Now:
        """Return this moment."""
        return Now(ms=int(trio.current_time() * 1_000), wall_ms=int(time.time() * 1_000))

    def work_s(self) -> float:
        """Return seconds since some moment: fine enough to tell how long a piece of work took."""
        return time.perf_counter()

"""The clocks of one simulated machine: they may be off, drift and jump."""

from functools import lru_cache

from node.core.events import Now

NOON_MS = 1_767_225_600_000  # what Unix clocks show when virtual time is 0: 2026-01-01
_MILLION = 1_000_000


class SimClock:
    """A monotonic clock that may run fast or slow, and a wall clock that may be anything.

    Attributes:
        offset_ms: How far the wall clock is ahead.
        rate_ppm: How many milliseconds pass here in a million; the other clock keeps step.
    """

    __slots__ = ("offset_ms", "rate_ppm")

    def __init__(self, *, offset_ms: int = 0, rate_ppm: int = _MILLION) -> None:
        self.offset_ms = offset_ms
        self.rate_ppm = rate_ppm

    def now(self, now_ms: int) -> Now:
        """Return what this machine reads at a virtual moment."""
        if self.rate_ppm == _MILLION and not self.offset_ms:
            return _right(now_ms)
        ms = now_ms if self.rate_ppm == _MILLION else now_ms * self.rate_ppm // _MILLION
        return Now(ms, NOON_MS + ms + self.offset_ms)

    def moment(self, ms: int) -> int:
        """Return the earliest virtual moment at which the monotonic clock shows this."""
        if self.rate_ppm == _MILLION:
            return ms
        return -(-ms * _MILLION // self.rate_ppm)


@lru_cache(maxsize=4)
def _right(now_ms: int) -> Now:
    """Return what all clocks that are right show at once."""
    return Now(now_ms, NOON_MS + now_ms)

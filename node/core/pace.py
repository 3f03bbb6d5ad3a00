"""How fast strangers may make us relay: quotas that delay, and never refuse for ever."""

from collections import OrderedDict
from collections.abc import Hashable

# Keys remembered at once; the longest idle is forgotten, which only refills its bucket.
KEYS_MAX = 4_096
FORGOTTEN_FOR_ONE = 2  # more than one, so that a table shrinks again after a crowd


class Buckets:
    """One token bucket a key.

    A bucket is one number: when it will be full, in thousandths of tokens since the clock began.
    One that is full is as good as forgotten, so newcomers drive the full ones out.
    """

    __slots__ = ("_burst_milli", "_full", "_per_s")

    def __init__(self, *, per_s: int, burst: int) -> None:
        self._per_s = per_s
        self._burst_milli = burst * 1_000
        self._full: OrderedDict[Hashable, int] = OrderedDict()  # the longest idle first

    def take(self, key: Hashable, now_ms: int) -> bool:
        """Take one token; answer False, and take none, if the bucket is empty."""
        now_milli = now_ms * self._per_s
        full = self._full
        full_milli = full.get(key)
        if full_milli is None:
            full_milli = self._begin(key, now_milli)
        else:
            full.move_to_end(key)
            full_milli = max(full_milli, now_milli)
        if full_milli - now_milli + 1_000 > self._burst_milli:
            return False
        full[key] = full_milli + 1_000
        return True

    def owe(self, key: Hashable, now_ms: int, tokens: int) -> int:
        """Take tokens, be it on credit; return after how many milliseconds all is paid back."""
        now_milli = now_ms * self._per_s
        full_milli = self._full.get(key)
        if full_milli is None:
            full_milli = self._begin(key, now_milli)
        full_milli = max(full_milli, now_milli) + tokens * 1_000
        self._full[key] = full_milli
        self._full.move_to_end(key)
        level_milli = self._burst_milli - (full_milli - now_milli)
        return max(0, -(level_milli // self._per_s))

    def __len__(self) -> int:
        return len(self._full)

    def _begin(self, key: Hashable, now_milli: int) -> int:
        """Put a full bucket down; return when it is full, which is now."""
        full = self._full
        for _ in range(FORGOTTEN_FOR_ONE):
            oldest = next(iter(full), None)
            if oldest is None or full[oldest] > now_milli:
                break
            del full[oldest]
        if len(full) >= KEYS_MAX:
            full.popitem(last=False)
        full[key] = now_milli
        return now_milli


class Recent:
    """The authors heard again and again of late, to know how crowded the network is.

    Whoever is heard once and never again is no crowd: keys are free, and a flood of them would have
    everybody speak as seldom as a thousand authors must.
    """

    def __init__(self, span_ms: int, *, regular_ms: int) -> None:
        """Count who is heard within a span, and was first heard so long before."""
        self._span_ms = span_ms
        self._regular_ms = regular_ms
        self._heard: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # first and last
        self._regulars = 0

    def add(self, key: Hashable, now_ms: int) -> None:
        """Note that a key was heard."""
        heard = self._heard
        if key in heard:
            first_ms, last_ms = heard[key]
            heard.move_to_end(key)
            heard[key] = first_ms, now_ms
            self._regulars += self._is_regular(first_ms, now_ms)
            self._regulars -= self._is_regular(first_ms, last_ms)
            return
        for _ in range(FORGOTTEN_FOR_ONE):
            if heard and self._is_over(now_ms):
                self._forget_oldest()
        if len(heard) >= KEYS_MAX:
            self._forget_oldest()
        heard[key] = now_ms, now_ms
        self._regulars += self._is_regular(now_ms, now_ms)

    def __len__(self) -> int:
        return len(self._heard)

    def count(self, now_ms: int) -> int:
        """Return how many keys were heard within the span, and not for the first time."""
        while self._heard and self._is_over(now_ms):
            self._forget_oldest()
        return self._regulars

    def _is_regular(self, first_ms: int, last_ms: int) -> bool:
        return last_ms - first_ms >= self._regular_ms

    def _is_over(self, now_ms: int) -> bool:
        return next(iter(self._heard.values()))[1] < now_ms - self._span_ms

    def _forget_oldest(self) -> None:
        _, (first_ms, last_ms) = self._heard.popitem(last=False)
        self._regulars -= self._is_regular(first_ms, last_ms)

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
    """The authors heard within a span, to know how crowded the network is."""

    def __init__(self, span_ms: int) -> None:
        self._span_ms = span_ms
        self._last: OrderedDict[Hashable, int] = OrderedDict()

    def add(self, key: Hashable, now_ms: int) -> None:
        """Note that a key was heard."""
        last = self._last
        if key in last:
            last.move_to_end(key)
        else:
            for _ in range(FORGOTTEN_FOR_ONE):
                if last and next(iter(last.values())) < now_ms - self._span_ms:
                    last.popitem(last=False)
            if len(last) >= KEYS_MAX:
                last.popitem(last=False)
        last[key] = now_ms

    def __len__(self) -> int:
        return len(self._last)

    def count(self, now_ms: int) -> int:
        """Return how many keys were heard within the span."""
        while self._last and next(iter(self._last.values())) < now_ms - self._span_ms:
            self._last.popitem(last=False)
        return len(self._last)

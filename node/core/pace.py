"""How fast strangers may make us relay: quotas that delay, and never refuse for ever."""

from collections import OrderedDict
from collections.abc import Hashable

# Keys remembered at once; the longest idle is forgotten, which only refills its bucket.
KEYS_MAX = 4_096


class Buckets:
    """One token bucket a key."""

    def __init__(self, *, per_s: int, burst: int) -> None:
        self._per_s = per_s
        self._burst_milli = burst * 1_000
        self._levels: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def take(self, key: Hashable, now_ms: int) -> bool:
        """Take one token; answer False, and take none, if the bucket is empty."""
        level = self._level(key, now_ms)
        allowed = level >= 1_000
        self._set(key, level - 1_000 if allowed else level, now_ms)
        return allowed

    def owe(self, key: Hashable, now_ms: int, tokens: int) -> int:
        """Take tokens, be it on credit; return after how many milliseconds all is paid back."""
        level = self._level(key, now_ms) - tokens * 1_000
        self._set(key, level, now_ms)
        return max(0, -(level // self._per_s))

    def __len__(self) -> int:
        return len(self._levels)

    def _level(self, key: Hashable, now_ms: int) -> int:
        """Return thousandths of tokens."""
        level, since = self._levels.pop(key, (self._burst_milli, now_ms))
        return min(self._burst_milli, level + (now_ms - since) * self._per_s)

    def _set(self, key: Hashable, level: int, now_ms: int) -> None:
        self._levels[key] = (level, now_ms)
        if len(self._levels) > KEYS_MAX:
            self._levels.popitem(last=False)


class Recent:
    """The authors heard within a span, to know how crowded the network is."""

    def __init__(self, span_ms: int) -> None:
        self._span_ms = span_ms
        self._last: OrderedDict[Hashable, int] = OrderedDict()

    def add(self, key: Hashable, now_ms: int) -> None:
        """Note that a key was heard."""
        self._last.pop(key, None)
        self._last[key] = now_ms
        if len(self._last) > KEYS_MAX:
            self._last.popitem(last=False)

    def count(self, now_ms: int) -> int:
        """Return how many keys were heard within the span."""
        while self._last and next(iter(self._last.values())) < now_ms - self._span_ms:
            self._last.popitem(last=False)
        return len(self._last)

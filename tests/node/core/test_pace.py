"""Quotas delay, and never refuse for ever."""

from hypothesis import given
from hypothesis import strategies as st

from node.core.pace import KEYS_MAX, Buckets, Recent


def test_take__gives_the_burst_and_then_the_rate() -> None:
    buckets = Buckets(per_s=2, burst=3)

    at_once = [buckets.take("bo", 0) for _ in range(4)]
    later = [buckets.take("bo", ms) for ms in (499, 500, 501, 1_000)]

    assert at_once == [True, True, True, False]
    assert later == [False, True, False, True]


def test_take__never_saves_more_than_the_burst() -> None:
    buckets = Buckets(per_s=100, burst=2)
    buckets.take("bo", 0)

    assert [buckets.take("bo", 3_600_000) for _ in range(3)] == [True, True, False]


def test_take__treats_everybody_alone() -> None:
    buckets = Buckets(per_s=1, burst=1)

    assert [buckets.take(who, 0) for who in ("bo", "bo", "cy")] == [True, False, True]


def test_take__loses_no_time_to_refusals() -> None:
    buckets = Buckets(per_s=1, burst=1)
    buckets.take("bo", 0)

    refused = [buckets.take("bo", ms) for ms in range(1, 1_000)]

    assert not any(refused)
    assert buckets.take("bo", 1_000)


def test_take__forgets_the_longest_idle() -> None:
    buckets = Buckets(per_s=1, burst=1)
    for key in range(KEYS_MAX):
        buckets.take(key, 0)
    buckets.take(0, 0)

    buckets.take("one more", 0)

    assert [buckets.take(key, 0) for key in (0, 1)] == [False, True]


def test_count__forgets_after_the_span() -> None:
    recent = Recent(10, regular_ms=1)
    for key, ms in (("bo", 0), ("cy", 4), ("cy", 5), ("bo", 6)):
        recent.add(key, ms)

    counts = [recent.count(ms) for ms in (6, 15, 16, 17)]

    assert counts == [2, 2, 1, 0]


def test_count__leaves_out_who_was_heard_once_or_only_at_once() -> None:
    recent = Recent(10, regular_ms=2)
    for key, ms in (("once", 0), ("at once", 0), ("at once", 1), ("again", 0), ("again", 2)):
        recent.add(key, ms)

    assert recent.count(2) == 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12))))
def test_count__is_that_of_all_who_spoke_for_a_while_without_a_long_pause(
    heard: list[tuple[str, int]],
) -> None:
    recent, now_ms = Recent(10, regular_ms=4), 0
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for key, after_ms in heard:
        now_ms += after_ms
        recent.count(now_ms)  # else who was away too long may be forgotten only later
        if key not in last or last[key] < now_ms - 10:
            first[key] = now_ms
        last[key] = now_ms
        recent.add(key, now_ms)

        here = [name for name in last if last[name] >= now_ms - 10]
        assert recent.count(now_ms) == sum(last[name] - first[name] >= 4 for name in here)


def test_add__keeps_to_its_bound() -> None:
    recent = Recent(10, regular_ms=0)

    for key in range(KEYS_MAX + 5):
        recent.add(key, 0)

    assert recent.count(0) == len(recent) == KEYS_MAX


class PlainBuckets:
    """Buckets as one would write them down, and none of them is ever forgotten."""

    def __init__(self, per_s: int, burst: int) -> None:
        self._per_s, self._burst = per_s, burst
        self._levels: dict[str, tuple[int, int]] = {}

    def take(self, key: str, now_ms: int) -> bool:
        level = self._level(key, now_ms)
        self._levels[key] = (level - 1_000 if level >= 1_000 else level, now_ms)
        return level >= 1_000

    def owe(self, key: str, now_ms: int, tokens: int) -> int:
        level = self._level(key, now_ms) - tokens * 1_000
        self._levels[key] = (level, now_ms)
        return max(0, -(level // self._per_s))

    def _level(self, key: str, now_ms: int) -> int:
        level, since_ms = self._levels.get(key, (self._burst * 1_000, now_ms))
        return min(self._burst * 1_000, level + (now_ms - since_ms) * self._per_s)


@given(
    st.integers(1, 100),
    st.integers(1, 20),
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(0, 1_500), st.none() | st.integers(0, 30))
    ),
)
def test_buckets__forget_nothing_that_matters(
    per_s: int, burst: int, asked: list[tuple[str, int, int | None]]
) -> None:
    buckets, plain = Buckets(per_s=per_s, burst=burst), PlainBuckets(per_s, burst)
    now_ms = 0
    for key, after_ms, tokens in asked:
        now_ms += after_ms
        if tokens is None:
            assert buckets.take(key, now_ms) is plain.take(key, now_ms)
        else:
            assert buckets.owe(key, now_ms, tokens) == plain.owe(key, now_ms, tokens)


def test_take__keeps_only_the_buckets_that_are_not_full() -> None:
    buckets = Buckets(per_s=2, burst=3)

    for number in range(1_000):
        buckets.take(f"author {number}", number * 10)

    assert len(buckets) == 50


def test_add__keeps_only_the_keys_of_the_span() -> None:
    recent = Recent(1_000, regular_ms=0)

    for number in range(2_000):
        recent.add(number, number * 10)

    assert len(recent) == 101

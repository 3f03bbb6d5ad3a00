"""Quotas delay, and never refuse for ever."""

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
    recent = Recent(10)
    recent.add("bo", 0)
    recent.add("cy", 5)
    recent.add("bo", 6)

    counts = [recent.count(ms) for ms in (6, 15, 16, 17)]

    assert counts == [2, 2, 1, 0]


def test_add__keeps_to_its_bound() -> None:
    recent = Recent(10)

    for key in range(KEYS_MAX + 5):
        recent.add(key, 0)

    assert recent.count(0) == KEYS_MAX

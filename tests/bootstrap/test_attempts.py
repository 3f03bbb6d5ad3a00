"""How often a peer was dialled of late, and how much of that is kept."""

from hypothesis import given
from hypothesis import strategies as st

from bootstrap.attempts import Attempts
from bootstrap.dial_policy import (
    DIAL_EVERY_MS,
    DIALS_AT_ONCE_MAX,
    PEER_DIALS_MAX,
    PEER_WINDOW_MS,
)

CLOSE_BY = st.integers(0, PEER_WINDOW_MS // 4)


class Clock:
    """Stands still but for what a test adds."""

    now_ms = 0


def attempts_at(clock: Clock) -> Attempts:
    return Attempts(clock_ms=lambda: clock.now_ms, dice=lambda: 0.0)


@given(st.lists(st.tuples(CLOSE_BY, st.sampled_from("abc")), max_size=80), CLOSE_BY)
def test_weary__is_whoever_was_dialled_too_often_in_the_last_window(
    dials: list[tuple[int, str]], pause_ms: int
) -> None:
    clock = Clock()
    attempts = attempts_at(clock)
    moments: dict[str, list[int]] = {}
    for before_ms, peer in dials:
        clock.now_ms += before_ms
        if attempts.left:
            attempts.begin(peer)
            moments.setdefault(peer, []).append(clock.now_ms)
    clock.now_ms += pause_ms

    since_ms = clock.now_ms - PEER_WINDOW_MS
    assert attempts.weary() == {
        peer
        for peer, each in moments.items()
        if sum(moment > since_ms for moment in each) >= PEER_DIALS_MAX
    }


def test_begin__keeps_no_peer_for_longer_than_it_counts() -> None:
    clock = Clock()
    attempts = attempts_at(clock)
    for number in range(1_000):
        clock.now_ms += DIAL_EVERY_MS
        attempts.begin(str(number))

    assert len(attempts._dials_ms) <= DIALS_AT_ONCE_MAX + PEER_WINDOW_MS // DIAL_EVERY_MS

    clock.now_ms += PEER_WINDOW_MS
    assert attempts.weary() == set()
    assert not attempts._dials_ms

"""When which address is dialled."""

from hypothesis import given
from hypothesis import strategies as st

from bootstrap.dial_policy import (
    DELAY_MS_MAX,
    FIRST_DELAY_MS,
    OUTBOUND_TARGET,
    STEADY_MS,
    Trial,
    after_failure,
    after_success,
    backoff_ms,
    choose,
    next_due_ms,
)
from bootstrap.peer_book import Place
from protocol.ids import PeerId
from tests.bootstrap.peer_names import address, peer

DICE = st.floats(0, 1, exclude_max=True)
PLACES = [Place(address(n), peer(n), worked_ms=n, learned_ms=1) for n in range(8)]
TRIALS = st.dictionaries(
    st.sampled_from([place.address for place in PLACES]),
    st.builds(Trial, st.integers(0, 9), st.integers(0, 2_000), st.integers(0, 100)),
)


@given(st.integers(1, 10**6), DICE)
def test_backoff_ms__lies_between_half_and_all_of_a_doubling_delay(
    failures: int, dice: float
) -> None:
    whole = min(FIRST_DELAY_MS * 2 ** min(failures - 1, 40), DELAY_MS_MAX)

    assert whole // 2 <= backoff_ms(failures, dice) <= whole


@given(st.lists(DICE, min_size=60, max_size=60))
def test_backoff_ms__allows_few_attempts_a_minute(dice: list[float]) -> None:
    now_ms, trial, attempts = 0, Trial(), 0
    for throw in dice:
        if now_ms >= 60_000:
            break
        trial = after_failure(trial, now_ms, throw)
        now_ms = trial.due_ms
        attempts += 1

    assert attempts <= 8


def test_after_success__clears_only_once_the_connection_lasted() -> None:
    trial = after_success(Trial(failures=3), 1_000, 0.0)
    place = PLACES[1]

    def is_chosen(now_ms: int) -> bool:
        trials = {place.address: trial}
        return bool(choose([place], trials=trials, connected=(), outbound_count=0, now_ms=now_ms))

    assert trial.failures == 4
    assert not is_chosen(1_000 + 3_999)
    assert is_chosen(1_000 + 4_000)
    assert is_chosen(1_000 + STEADY_MS)


@given(TRIALS, st.sets(st.sampled_from([p.peer_id for p in PLACES])), st.integers(0, 3_000))
def test_choose__takes_what_is_due_and_not_connected_once_per_peer(
    trials: dict[str, Trial], connected: set[PeerId], now_ms: int
) -> None:
    chosen = choose(PLACES, trials=trials, connected=connected, outbound_count=0, now_ms=now_ms)

    assert {place.peer_id for place in chosen} == {
        place.peer_id
        for place in PLACES
        if place.peer_id not in connected and trials.get(place.address, Trial()).due_ms <= now_ms
    }
    assert len({place.peer_id for place in chosen}) == len(chosen)
    due_ms = next_due_ms(PLACES, trials=trials, connected=connected, now_ms=now_ms)
    assert (due_ms == now_ms) == bool(chosen)


def test_choose__prefers_few_failures_then_what_worked_last() -> None:
    trials = {PLACES[7].address: Trial(failures=1)}

    chosen = choose(PLACES, trials=trials, connected=(), outbound_count=0, now_ms=10)

    assert [place.worked_ms for place in chosen] == [6, 5, 4, 3, 2, 1, 0, 7]


def test_choose__stops_at_enough_outbound_except_for_what_is_configured() -> None:
    configured = Place(address(50), peer(50), 0, 0, is_configured=True)

    chosen = choose(
        [*PLACES, configured],
        trials={},
        connected=(),
        outbound_count=OUTBOUND_TARGET,
        now_ms=10,
    )

    assert chosen == [configured]


def test_choose__goes_through_a_relay_only_where_no_direct_address_works() -> None:
    direct = Place(address(1), peer(1), 0, 1)
    circuit = Place(f"{address(2)}/p2p-circuit/p2p/{peer(1)}", peer(1), 9, 1)

    def chosen(**trials: Trial) -> list[Place]:
        by_address = {direct.address: trials.get("direct", Trial())}
        return choose(
            [circuit, direct], trials=by_address, connected=(), outbound_count=0, now_ms=50
        )

    assert chosen() == [direct]
    assert chosen(direct=Trial(1, due_ms=100)) == [circuit]


def test_choose__tries_another_address_of_a_peer_while_one_is_not_due() -> None:
    one = Place(address(1, 4001), peer(1), 5, 1)
    other = Place(address(1, 4002), peer(1), 0, 1)

    chosen = choose(
        [one, other],
        trials={one.address: Trial(1, due_ms=100)},
        connected=(),
        outbound_count=0,
        now_ms=50,
    )

    assert chosen == [other]

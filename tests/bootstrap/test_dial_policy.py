"""When which address is dialled."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bootstrap.addresses import parse_address
from bootstrap.dial_policy import (
    DELAY_MS_MAX,
    DIAL_EVERY_MS,
    DIALS_AT_ONCE_MAX,
    FIRST_DELAY_MS,
    OUTBOUND_PER_GROUP_MAX,
    OUTBOUND_TARGET,
    STEADY_MS,
    Pace,
    Trial,
    after_failure,
    after_move,
    after_success,
    backoff_ms,
    choose,
    next_due_ms,
)
from bootstrap.place import FAILURES_MAX, Place, place_at
from protocol.ids import PeerId
from tests.bootstrap.peer_names import address, peer, public

DICE = st.floats(0, 1, exclude_max=True)


def a_place(number: int, group: str = "", worked_ms: int = 0, *, is_anchor: bool = False) -> Place:
    group = group or f"group {number}"
    return Place(address(number), peer(number), group, worked_ms, 1, is_anchor=is_anchor)


def chosen_of(places: list[Place], *outbound: str, most: int = 99, **trials: Trial) -> list[Place]:
    by_address = {address(int(name[1:])): trial for name, trial in trials.items()}
    groups = [{group} for group in outbound]
    return choose(
        places,
        trials=by_address,
        connected=(),
        outbound=groups,
        now_ms=50,
        most=most,
        dice=random.Random(7).random,
    )


PLACES = [a_place(n, worked_ms=n) for n in range(8)]
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
        return bool(
            choose(
                [place],
                trials=trials,
                connected=(),
                outbound=(),
                now_ms=now_ms,
                most=1,
                dice=lambda: 0.0,
            )
        )

    assert trial.failures == 4
    assert not is_chosen(1_000 + 3_999)
    assert is_chosen(1_000 + 4_000)
    assert is_chosen(1_000 + STEADY_MS)


@given(TRIALS, st.sets(st.sampled_from([p.peer_id for p in PLACES])), st.integers(0, 3_000))
def test_choose__takes_what_is_due_and_not_connected_once_per_peer(
    trials: dict[str, Trial], connected: set[PeerId], now_ms: int
) -> None:
    chosen = choose(
        PLACES,
        trials=trials,
        connected=connected,
        outbound=(),
        now_ms=now_ms,
        most=99,
        dice=lambda: 0.0,
    )

    due = {
        place.peer_id
        for place in PLACES
        if place.peer_id not in connected and trials.get(place.address, Trial()).due_ms <= now_ms
    }
    assert {place.peer_id for place in chosen} <= due
    assert len(chosen) == min(len(due), OUTBOUND_TARGET)
    free = [place.address for place in PLACES if place.peer_id not in connected]
    due_ms = next_due_ms(free, trials=trials, now_ms=now_ms)
    assert (due_ms == now_ms) == bool(chosen)


def test_choose__prefers_few_failures_then_anchors_then_what_worked_last() -> None:
    places = [a_place(n, worked_ms=n, is_anchor=n == 3) for n in range(1, 7)]

    chosen = chosen_of(places, n6=Trial(failures=1))

    assert chosen == [places[2], places[4], places[3], places[1], places[0], places[5]]


def test_choose__takes_what_worked_and_what_was_heard_of_by_turns() -> None:
    proven = [a_place(n, worked_ms=n) for n in range(1, 5)]
    rumours = [a_place(n) for n in range(5, 9)]

    chosen = chosen_of([*proven, *rumours], most=4)

    assert [place.worked_ms > 0 for place in chosen] == [True, False, True, False]


@given(st.lists(st.integers(0, 1_000), min_size=9, max_size=9))
def test_choose__has_nobody_come_first_because_he_spoke_last(heard_ms: list[int]) -> None:
    places = [a_place(n) for n in range(9)]
    spoke = [replace(place, heard_ms=ms) for place, ms in zip(places, heard_ms, strict=True)]

    assert {place.address for place in chosen_of(spoke)} == {
        place.address for place in chosen_of(places)
    }


def test_choose__gives_each_peer_one_lot_however_many_addresses_it_has() -> None:
    crowd = [Place(address(1, port), peer(1), f"{port}", heard_ms=port) for port in range(4)]
    others = [a_place(n) for n in range(2, 5)]

    first = [
        choose(
            [*crowd, *others],
            trials={},
            connected=(),
            outbound=(),
            now_ms=50,
            most=1,
            dice=random.Random(seed).random,
        )[0].peer_id
        for seed in range(200)
    ]

    assert all(30 < first.count(one) < 70 for one in {peer(n) for n in range(1, 5)})


def test_choose__counts_a_peer_in_each_of_its_groups() -> None:
    named = [a_place(n, "names") for n in range(1, 5)]
    by_name = [{"names", "120.1"}] * OUTBOUND_PER_GROUP_MAX

    def choose_beside(other: Place) -> list[Place]:
        return choose(
            [*named, other],
            trials={},
            connected=(),
            outbound=by_name,
            now_ms=50,
            most=9,
            dice=lambda: 0.0,
        )

    assert choose_beside(elsewhere := a_place(9))[0] == elsewhere
    assert len(choose_beside(a_place(9, "120.1"))) == OUTBOUND_TARGET - len(by_name)


def test_choose__stops_at_enough_outbound_except_for_what_is_configured() -> None:
    configured = Place(address(50), peer(50), "a", is_configured=True)
    outbound = [f"other {n}" for n in range(OUTBOUND_TARGET)]

    assert chosen_of([*PLACES, configured], *outbound) == [configured]
    assert len(chosen_of([*PLACES, configured], *outbound[:-2])) == 2


def test_choose__weighs_nobody_who_is_not_needed() -> None:
    configured = Place(address(50), peer(50), "a", is_configured=True)
    throws = 0

    def throw() -> float:
        nonlocal throws
        throws += 1
        return 0.0

    chosen = choose(
        [*PLACES, configured],
        trials={},
        connected=(),
        outbound=[{f"other {n}"} for n in range(OUTBOUND_TARGET)],
        now_ms=50,
        most=4,
        dice=throw,
    )

    assert chosen == [configured]
    assert throws == 1


def test_choose__spreads_over_groups_while_it_has_the_choice() -> None:
    crowd = [a_place(n, "crowd", worked_ms=100 + n) for n in range(1, 20)]
    others = [a_place(n, worked_ms=n) for n in range(20, 30)]

    chosen = chosen_of([*crowd, *others])

    assert len(chosen) == OUTBOUND_TARGET
    assert sum(place.group == "crowd" for place in chosen) <= 1
    assert chosen_of(crowd, *["crowd"] * OUTBOUND_PER_GROUP_MAX)


def test_choose__leaves_places_for_others_even_while_they_are_not_due() -> None:
    crowd = [a_place(n, "crowd", worked_ms=100 + n) for n in range(1, 20)]
    other = a_place(30, worked_ms=1)
    outbound = ["crowd"] * OUTBOUND_PER_GROUP_MAX

    assert chosen_of([*crowd, other], *outbound, n30=Trial(1, due_ms=99)) == []
    gone = Trial(FAILURES_MAX, due_ms=99)
    assert chosen_of([*crowd, other], *outbound, n30=gone)[0] in crowd


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40),
    st.lists(st.sampled_from(["0", "1", "2", "3"]), max_size=OUTBOUND_TARGET),
)
def test_choose__never_gives_two_groups_all_places_if_there_are_others(
    drawn: list[tuple[int, bool]], outbound: list[str]
) -> None:
    places = [a_place(n, str(group), int(has)) for n, (group, has) in enumerate(drawn)]
    others = {place.group for place in places}

    chosen = chosen_of(places, *outbound)

    for place in chosen:
        mine = outbound.count(place.group) + sum(one.group == place.group for one in chosen)
        if mine > max(OUTBOUND_PER_GROUP_MAX, outbound.count(place.group)):
            rest = [one for one in places if one.group != place.group and one not in chosen]
            counts = {group: outbound.count(group) for group in others}
            for one in chosen:
                counts[one.group] += 1
            assert all(counts[one.group] >= OUTBOUND_PER_GROUP_MAX for one in rest)


def test_choose__goes_through_a_relay_only_where_no_direct_address_works() -> None:
    direct = Place(address(1), peer(1), "a")
    circuit = Place(f"{address(2)}/p2p-circuit/p2p/{peer(1)}", peer(1), "b", worked_ms=9)

    assert chosen_of([circuit, direct]) == [direct]
    assert chosen_of([circuit, direct], n1=Trial(1, due_ms=100)) == [circuit]


def test_choose__takes_circuits_through_many_relays_for_one_part_of_the_internet() -> None:
    circuits = [
        place_at(parse_address(f"{public(group, 1)}/p2p-circuit/p2p/{peer(group)}"), heard_ms=9)
        for group in range(1, 4)
    ]
    direct = place_at(parse_address(public(9, 1)))
    crowd = [direct.group] * OUTBOUND_PER_GROUP_MAX

    chosen = chosen_of([*circuits, direct], *crowd)

    assert {place.peer_id for place in chosen} == {place.peer_id for place in (*circuits, direct)}
    assert chosen[2] == direct  # by then both parts are crowded


def test_choose__spreads_circuits_over_relays() -> None:
    circuits = [
        place_at(parse_address(f"{public(group, 1)}/p2p-circuit/p2p/{peer(10 * group + n)}"))
        for group in range(1, 4)
        for n in range(9)
    ]

    chosen = chosen_of(circuits)

    assert len(chosen) == OUTBOUND_TARGET
    assert {place.groups for place in chosen[:3]} == {place.groups for place in circuits}


def test_choose__tries_another_address_of_a_peer_while_one_is_not_due() -> None:
    one = Place(address(1, 4001), peer(1), "a", worked_ms=5)
    other = Place(address(1, 4002), peer(1), "a")

    assert chosen_of([one, other], n1=Trial(1, due_ms=100)) == [other]


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=100))
def test_pace__allows_a_burst_and_then_one_in_a_while(pauses_ms: list[int]) -> None:
    now_ms, pace, dials = 0, Pace(), []
    for pause_ms in pauses_ms:
        now_ms += pause_ms
        pace = pace.at(now_ms)
        while pace.left:
            pace = pace.less_one()
            dials.append(now_ms)

    for start in dials:
        for span_ms in (0, 1_000, 60_000):
            count = sum(start <= dial <= start + span_ms for dial in dials)
            assert count <= DIALS_AT_ONCE_MAX + span_ms // DIAL_EVERY_MS


@given(st.integers(0, 20), DICE)
def test_after_move__tries_soon_what_failed_and_leaves_what_is_connected(
    failures: int, dice: float
) -> None:
    failed = Trial(failures, due_ms=60_000)
    connected = Trial(failures, due_ms=60_000, connected_ms=5)

    assert after_move(failed, 0, dice).due_ms <= FIRST_DELAY_MS
    assert after_move(connected, 0, dice) == connected

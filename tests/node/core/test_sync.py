"""The laws of the planner: it meets everybody in time, and nobody has it for itself."""

import copy
import itertools
import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.core.sync import (
    FAILED_PAUSE_MS,
    FILL_YIELD_MS,
    GAP_MS,
    RANDOM_EVERY_MS,
    REFUSED_PAUSE_MS,
    SALTED_EVERY_MS,
    WAIT_FIRST_MS,
    WAIT_LAST_MS,
    WAIT_REACH_MS,
    WRONG_PAUSE_MS,
    YIELD_MS,
    Outcome,
    Session,
    SyncPlanner,
)
from protocol.ids import PeerId

START_MS = 1_000_000
TASK_MS = 1_700_000_000_000
HARMLESS = (Outcome.EQUAL, Outcome.MOVED, Outcome.UNFINISHED, Outcome.REFUSED)

Answers = Callable[[Session], Outcome]
Ended = tuple[int, Session, Outcome]


def a_planner(
    *, outbound: Iterable[str] = (), inbound: Iterable[str] = (), seed: int = 0
) -> SyncPlanner:
    planner = SyncPlanner(random.Random(seed).randrange, START_MS)
    for name in outbound:
        planner.came(PeerId(name), START_MS, outbound=True)
    for name in inbound:
        planner.came(PeerId(name), START_MS, outbound=False)
    return planner


def run(
    planner: SyncPlanner,
    answers: Answers,
    *,
    for_ms: int,
    takes_ms: int = 100,
    waits_for_ms: int | None = None,
) -> list[Ended]:
    """Live through some time, waking only when the planner says so."""
    now_ms = START_MS
    ended: list[Ended] = []
    while now_ms < START_MS + for_ms:
        session = planner.next(now_ms, waits_for_ms=waits_for_ms)
        if session is None:
            later_ms = planner.look_at_ms(now_ms)
            assert later_ms > now_ms
            now_ms = later_ms
            continue
        began_ms, now_ms = now_ms, now_ms + takes_ms
        outcome = answers(session)
        planner.ended(outcome, now_ms)
        ended.append((began_ms, session, outcome))
    return ended


def names(start: str, count: int) -> list[str]:
    return [f"{start}{number}" for number in range(count)]


def always(outcome: Outcome) -> Answers:
    return lambda session: outcome


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 4), st.integers(0, 3_000))
def test_next__leaves_a_gap_after_every_session_that_did_not_fail(
    seed: int, outbound: int, inbound: int, takes_ms: int
) -> None:
    dice = random.Random(seed)
    planner = a_planner(outbound=names("o", outbound), inbound=names("i", inbound), seed=seed)

    ended = run(
        planner,
        lambda session: dice.choice(list(Outcome)),
        for_ms=300_000,
        takes_ms=takes_ms,
        waits_for_ms=dice.choice([None, TASK_MS]),
    )

    assert ended
    for (began_ms, _, outcome), (next_ms, _, _) in itertools.pairwise(ended):
        assert next_ms >= began_ms + takes_ms + (GAP_MS if outcome in HARMLESS else 0)


def test_next__gives_one_session_at_a_time() -> None:
    planner = a_planner(outbound=["bob", "cleo"])

    first = planner.next(START_MS)
    meanwhile = planner.next(START_MS + 3_600_000, waits_for_ms=TASK_MS)

    assert first is not None
    assert planner.session == first
    assert meanwhile is None


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_look_at_ms__is_later_than_now_and_sleeps_through_nothing(data: st.DataObject) -> None:
    """Whatever happened, no session is due at any moment before the one it names."""
    planner = a_planner(seed=data.draw(st.integers(0, 999)))
    peer = st.sampled_from(names("p", 4)).map(PeerId)
    waits_for_ms = data.draw(st.sampled_from([None, TASK_MS]))
    now_ms = START_MS
    for _ in range(data.draw(st.integers(1, 25))):
        now_ms += data.draw(st.sampled_from([0, 1, 700, 2_000, 4_999, 5_000, 61_000]))
        match data.draw(st.sampled_from(["came", "left", "asked", "differs", "next"])):
            case "came":
                planner.came(data.draw(peer), now_ms, outbound=data.draw(st.booleans()))
            case "left":
                planner.left(data.draw(peer))
            case "asked":
                planner.asked(data.draw(peer), now_ms)
            case "differs":
                planner.differs(data.draw(peer))
            case _:
                if planner.next(now_ms, waits_for_ms=waits_for_ms) is not None:
                    planner.ended(data.draw(st.sampled_from(Outcome)), now_ms)
    while planner.next(now_ms, waits_for_ms=waits_for_ms) is not None:
        planner.ended(Outcome.EQUAL, now_ms)

    later_ms = planner.look_at_ms(now_ms)

    assert later_ms > now_ms
    between = st.integers(now_ms + 1, later_ms - 1) if later_ms > now_ms + 1 else st.nothing()
    tried = [later_ms - 1, (now_ms + later_ms) // 2]
    tried += data.draw(st.lists(between, max_size=5)) if later_ms > now_ms + 1 else []
    for moment_ms in tried:
        if moment_ms > now_ms:
            assert copy.deepcopy(planner).next(moment_ms, waits_for_ms=waits_for_ms) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 4), st.booleans(), st.booleans())
def test_next__meets_every_honest_peer_whatever_liars_do(
    seed: int, outbound: int, inbound: int, waits: bool, moves: bool
) -> None:
    """Also while it always waits for something, and every session brings something."""
    dice = random.Random(seed)
    honest = names("o", outbound) + names("i", inbound)
    planner = a_planner(outbound=honest[:outbound], inbound=honest[outbound:] + names("liar", 6))
    good = Outcome.MOVED if moves else Outcome.EQUAL

    ended = run(
        planner,
        lambda session: (
            dice.choice([Outcome.FAILED, Outcome.WRONG]) if "liar" in session.peer else good
        ),
        for_ms=40 * (len(honest) + 6) * GAP_MS,
        waits_for_ms=TASK_MS if waits else None,
    )

    met = {session.peer for _, session, outcome in ended if session.is_full and outcome is good}
    assert met == set(honest)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([Outcome.FAILED, Outcome.EQUAL]))
def test_next__gives_a_crowd_of_strangers_no_more_than_its_half(
    seed: int, outcome: Outcome
) -> None:
    planner = a_planner(outbound=["bob"], inbound=names("sybil", 60), seed=seed)

    ended = run(
        planner,
        lambda session: Outcome.EQUAL if session.peer == "bob" else outcome,
        for_ms=3_600_000,
    )

    with_bob = [began_ms for began_ms, session, _ in ended if session.peer == "bob"]
    assert len(with_bob) > 100
    gaps = [later - sooner for sooner, later in itertools.pairwise(with_bob)]
    assert sum(gaps) / len(gaps) < 4 * RANDOM_EVERY_MS


@pytest.mark.parametrize(
    ("outcome", "pauses_ms"),
    [
        (Outcome.FAILED, [FAILED_PAUSE_MS * n for n in (1, 2, 4, 8, 16, 32, 60, 60)]),
        (Outcome.REFUSED, [REFUSED_PAUSE_MS * n for n in (1, 2, 4, 8, 10, 10)]),
        (Outcome.WRONG, [WRONG_PAUSE_MS] * 3),
    ],
)
def test_next__passes_a_peer_over_for_longer_each_time(
    outcome: Outcome, pauses_ms: list[int]
) -> None:
    planner = a_planner(outbound=["bob"])

    ended = run(planner, always(outcome), for_ms=sum(pauses_ms) - pauses_ms[-1] + 1, takes_ms=0)

    moments = [began_ms for began_ms, _, _ in ended]
    apart = [later - sooner for sooner, later in itertools.pairwise(moments)]
    assert len(apart) == len(pauses_ms) - 1
    for waited_ms, pause_ms in zip(apart, pauses_ms, strict=False):
        assert pause_ms <= waited_ms <= pause_ms + 2 * RANDOM_EVERY_MS


def test_next__turns_to_another_peer_at_once_when_one_fails() -> None:
    planner = a_planner(outbound=["bob", "cleo"])
    run(planner, always(Outcome.EQUAL), for_ms=4 * RANDOM_EVERY_MS)
    now_ms = START_MS + 4 * RANDOM_EVERY_MS + 2 * GAP_MS
    first = planner.next(now_ms)
    assert first is not None

    planner.ended(Outcome.FAILED, now_ms + 3_000)
    second = planner.next(now_ms + 3_000)

    assert second is not None
    assert second.peer != first.peer


def test_next__doubles_the_pause_while_nothing_comes() -> None:
    planner = a_planner(outbound=["bob"])

    ended = run(planner, always(Outcome.EQUAL), for_ms=300_000, waits_for_ms=TASK_MS)

    waiting = [began_ms for began_ms, session, _ in ended if not session.is_full]
    apart = [later - sooner for sooner, later in itertools.pairwise(waiting)]
    pauses_ms = [WAIT_FIRST_MS * n for n in (1, 2, 4, 8, 16, 32)] + [WAIT_LAST_MS]
    assert len(apart) >= 7
    for waited_ms, pause_ms in zip(apart, pauses_ms, strict=False):
        assert pause_ms <= waited_ms <= max(pause_ms, GAP_MS) + 2 * GAP_MS + 1_000
    assert {session.since_ms for _, session, _ in ended} == {0, TASK_MS - WAIT_REACH_MS}


def test_next__asks_soon_again_once_something_came() -> None:
    planner = a_planner(outbound=["bob"])

    ended = run(planner, always(Outcome.MOVED), for_ms=60_000, waits_for_ms=TASK_MS)

    assert sum(not session.is_full for _, session, _ in ended) >= 4


def test_next__leaves_a_peer_alone_that_asks_us() -> None:
    planner = a_planner(inbound=["bob"])
    for moment_ms in range(START_MS, START_MS + 60_000, YIELD_MS // 2):
        planner.asked(PeerId("bob"), moment_ms)
        assert planner.next(moment_ms) is None

    assert planner.next(START_MS + 60_000 + YIELD_MS) is not None


def test_next__leaves_a_peer_alone_for_longer_that_fills_our_log() -> None:
    planner = a_planner(inbound=["bob"])
    bob, begun_ms = PeerId("bob"), START_MS + 60_000

    planner.fills(bob, begun_ms)
    planner.asked(bob, begun_ms + 1)  # its next question does not cut that short

    assert planner.next(begun_ms + FILL_YIELD_MS - 1) is None
    assert planner.next(begun_ms + FILL_YIELD_MS) is not None


def test_next__goes_first_to_a_peer_we_dialled() -> None:
    for seed in range(20):
        planner = a_planner(inbound=names("stranger", 9), outbound=["bob"], seed=seed)

        session = planner.next(START_MS + YIELD_MS)

        assert session == Session(PeerId("bob"))


def test_next__asks_a_peer_whose_presence_differs_once_the_gap_is_over() -> None:
    planner = a_planner(outbound=["bob", "cleo"])
    met = run(planner, always(Outcome.EQUAL), for_ms=2 * GAP_MS)
    assert len(met) == 2
    last_ms = met[-1][0] + 100

    planner.differs(PeerId("cleo"))

    assert planner.next(last_ms + GAP_MS - 1) is None
    assert planner.next(last_ms + GAP_MS) == Session(PeerId("cleo"), is_surely_different=True)


def test_next__salts_a_session_now_and_then() -> None:
    planner = a_planner(outbound=["bob"])

    ended = run(planner, always(Outcome.EQUAL), for_ms=10 * SALTED_EVERY_MS)

    salted = [session for _, session, _ in ended if session.is_salted]
    assert 6 <= len(salted) <= 20
    assert all(session.is_full for session in salted)


def test_ended__with_more_to_move_does_not_count_as_met() -> None:
    planner = a_planner(outbound=["bob"])
    outcomes = iter([Outcome.UNFINISHED, Outcome.UNFINISHED, Outcome.MOVED])

    ended = run(planner, lambda session: next(outcomes), for_ms=2 * GAP_MS + 1_000)

    assert [outcome for _, _, outcome in ended] == [
        Outcome.UNFINISHED,
        Outcome.UNFINISHED,
        Outcome.MOVED,
    ]


def test_next__leaves_nobody_out_for_a_peer_whose_log_never_ends() -> None:
    planner = a_planner(outbound=["endless"], inbound=["honest"])

    ended = run(
        planner,
        lambda session: Outcome.UNFINISHED if session.peer == "endless" else Outcome.EQUAL,
        for_ms=4 * GAP_MS,
    )

    assert [session.peer for _, session, _ in ended][:2] == ["endless", "honest"]


def test_came__forgives_a_peer_we_dialled_anew_but_not_a_liar() -> None:
    for outcome, is_forgiven in [(Outcome.FAILED, True), (Outcome.WRONG, False)]:
        planner = a_planner(outbound=["bob"])
        planner.next(START_MS)
        planner.ended(outcome, START_MS)

        planner.came(PeerId("bob"), START_MS + 1, outbound=True)

        assert (planner.next(START_MS + 1) is not None) is is_forgiven


def test_left__peers_are_not_asked() -> None:
    planner = a_planner(outbound=["bob"])

    planner.left(PeerId("bob"))

    assert run(planner, always(Outcome.EQUAL), for_ms=60_000) == []

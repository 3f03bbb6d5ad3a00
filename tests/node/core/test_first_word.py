"""Nobody makes a restored node sign before its own peers told it, and nobody keeps it silent."""

from hypothesis import given
from hypothesis import strategies as st

from node.core.first_word import (
    ALONE_MS,
    FAILURES_MAX,
    HELD_BACK_MS_MAX,
    PEERS_KEPT_MAX,
    TELLING_MS_MAX,
    Candidate,
    FirstWord,
)
from node.core.sync import Outcome
from protocol.ids import PeerId

STEP_MS = 500  # between two looks
TOLD = (Outcome.EQUAL, Outcome.MOVED, Outcome.REFUSED)
HONEST = Candidate(PeerId("honest"), chosen=True, is_ours=True)
FRIEND = Candidate(PeerId("friend"), chosen=False, is_ours=True)
PASSER_BY = Candidate(PeerId("passer-by"), chosen=False, is_ours=False)

# What strangers do between two looks: who is here under which name, and how a session with it ends.
doings = st.lists(
    st.tuples(
        st.builds(
            Candidate,
            st.integers(0, 400).map(lambda n: PeerId(f"stranger {n}")),
            st.booleans(),
            st.booleans(),
        ),
        st.sampled_from(Outcome) | st.none(),
        st.booleans(),
    ),
    max_size=30,
)


def wait(first_word: FirstWord, *here: Candidate, for_ms: int = 2 * HELD_BACK_MS_MAX) -> int | None:
    """Return after how long it may sign while nothing else happens."""
    for now_ms in range(0, for_ms, STEP_MS):
        if first_word.look(here, now_ms):
            return now_ms
    return None


@given(doings)
def test_look__waits_for_a_peer_that_we_chose_whatever_strangers_say(
    doings: list[tuple[Candidate, Outcome | None, bool]],
) -> None:
    first_word, now_ms = FirstWord(0, may_be_alone=True), 0
    for stranger, outcome, told in doings:
        now_ms += STEP_MS
        if outcome is not None:
            first_word.ended(stranger.peer, outcome, now_ms, told=told, chosen=False)
        assert not first_word.look([HONEST, stranger._replace(chosen=False)], now_ms)

    first_word.ended(HONEST.peer, Outcome.MOVED, now_ms, told=True, chosen=True)

    assert first_word.look([HONEST], now_ms)


@given(doings.filter(bool), st.booleans())
def test_look__is_kept_from_signing_by_no_crowd_of_strangers_that_tell_nothing(
    doings: list[tuple[Candidate, Outcome | None, bool]], is_honest_here: bool
) -> None:
    first_word = FirstWord(0, may_be_alone=True)
    for number, now_ms in enumerate(range(0, HELD_BACK_MS_MAX, STEP_MS)):
        stranger, outcome, _ = doings[number % len(doings)]
        if outcome in (Outcome.FAILED, Outcome.WRONG):
            first_word.ended(stranger.peer, outcome, now_ms, told=False, chosen=False)
        if first_word.look([stranger], now_ms):
            return

    assert first_word.look([doings[0][0], *[HONEST] * is_honest_here], HELD_BACK_MS_MAX)


def test_look__counts_no_one_whom_it_did_not_choose_and_who_follows_nothing() -> None:
    assert wait(FirstWord(0, may_be_alone=True)) == ALONE_MS
    assert wait(FirstWord(0, may_be_alone=True), PASSER_BY) == ALONE_MS
    assert wait(FirstWord(0, may_be_alone=True), FRIEND) == HELD_BACK_MS_MAX


def test_look__counts_nobody_with_whom_no_session_came_about_again_and_again() -> None:
    first_word = FirstWord(0, may_be_alone=True)
    for _ in range(FAILURES_MAX - 1):
        first_word.ended(HONEST.peer, Outcome.FAILED, 0, told=False, chosen=True)
    assert not first_word.look([HONEST], ALONE_MS)

    first_word.ended(HONEST.peer, Outcome.FAILED, ALONE_MS, told=False, chosen=True)

    assert not first_word.look([HONEST], 2 * ALONE_MS - 1)
    assert first_word.look([HONEST], 2 * ALONE_MS)


@given(doings, st.integers(0, ALONE_MS - 1))
def test_look__gives_those_whom_it_chooses_time_to_be_there_before_a_stranger_is_believed(
    doings: list[tuple[Candidate, Outcome | None, bool]], back_ms: int
) -> None:
    first_word = FirstWord(0, may_be_alone=True)
    strangers = [stranger._replace(chosen=False) for stranger, *_ in doings]
    for stranger, outcome, told in doings:
        if outcome is not None:
            first_word.ended(stranger.peer, outcome, 0, told=told, chosen=False)

    assert wait(first_word, *strangers, for_ms=back_ms) is None
    assert not first_word.look([HONEST, *strangers], back_ms)
    assert not first_word.look(strangers, back_ms + ALONE_MS - 1)


def test_look__believes_others_once_nobody_whom_it_chose_can_tell() -> None:
    for outcome in TOLD:
        for may_be_alone, first_ms in ((True, ALONE_MS), (False, HELD_BACK_MS_MAX)):
            first_word = FirstWord(0, may_be_alone=may_be_alone)
            first_word.ended(FRIEND.peer, outcome, 0, told=False, chosen=False)
            assert wait(first_word, FRIEND) == first_ms
            gone = FirstWord(0, may_be_alone=may_be_alone)
            gone.ended(FRIEND.peer, outcome, 0, told=False, chosen=False)
            assert wait(gone) == first_ms


def test_look__believes_none_of_the_others_while_some_of_them_were_not_heard() -> None:
    other = FRIEND._replace(peer=PeerId("other"))
    first_word = FirstWord(0, may_be_alone=True)
    first_word.ended(FRIEND.peer, Outcome.EQUAL, 0, told=False, chosen=False)
    assert wait(first_word, FRIEND, other, for_ms=HELD_BACK_MS_MAX) is None

    first_word.ended(other.peer, Outcome.UNFINISHED, ALONE_MS, told=True, chosen=False)
    assert not first_word.look([FRIEND, other], ALONE_MS)
    first_word.ended(other.peer, Outcome.MOVED, ALONE_MS, told=True, chosen=False)
    assert first_word.look([FRIEND, other, PASSER_BY], ALONE_MS)


def test_look__forgets_no_unheard_peer_that_is_away_for_a_moment() -> None:
    other = FRIEND._replace(peer=PeerId("other"))
    first_word = FirstWord(0, may_be_alone=True)
    first_word.ended(FRIEND.peer, Outcome.EQUAL, 0, told=False, chosen=False)
    assert wait(first_word, FRIEND, other, for_ms=2 * ALONE_MS) is None
    last_ms = 2 * ALONE_MS - STEP_MS

    assert not first_word.look([FRIEND], last_ms + ALONE_MS - 1)
    assert first_word.look([FRIEND], last_ms + ALONE_MS)


@given(st.sampled_from(TOLD))
def test_look__believes_whom_it_chose_if_it_told_before_it_was_dialled_as_well(
    outcome: Outcome,
) -> None:
    first_word = FirstWord(0, may_be_alone=False)
    first_word.ended(FRIEND.peer, outcome, 0, told=False, chosen=False)

    assert not first_word.look([FRIEND], 0)
    assert first_word.look([FRIEND._replace(chosen=True)], 0)


def test_look__takes_no_word_of_one_who_lied_later() -> None:
    first_word = FirstWord(0, may_be_alone=False)
    first_word.ended(FRIEND.peer, Outcome.EQUAL, 0, told=False, chosen=False)
    first_word.ended(FRIEND.peer, Outcome.WRONG, 0, told=False, chosen=False)

    assert wait(first_word) is None


def test_look__keeps_a_bounded_number_of_names() -> None:
    first_word = FirstWord(0, may_be_alone=True)
    for number in range(2 * PEERS_KEPT_MAX):
        for outcome in (Outcome.EQUAL, Outcome.FAILED):
            name = PeerId(f"{outcome} {number}")
            first_word.ended(name, outcome, 0, told=False, chosen=False)

            first_word.look([Candidate(PeerId(f"{number}"), chosen=False, is_ours=True)], 0)

    kept = (first_word._heard, first_word._failures, first_word._unheard)
    assert {len(one) for one in kept} == {PEERS_KEPT_MAX}


def test_look__goes_on_waiting_while_a_peer_that_we_chose_still_sends_a_long_log() -> None:
    first_word = FirstWord(0, may_be_alone=True)
    for now_ms in range(0, 2 * HELD_BACK_MS_MAX, HELD_BACK_MS_MAX // 2):
        assert not first_word.look([HONEST], now_ms)
        first_word.ended(HONEST.peer, Outcome.UNFINISHED, now_ms, told=True, chosen=True)


@given(st.sampled_from([Outcome.UNFINISHED, Outcome.FAILED]))
def test_look__does_not_wait_for_a_peer_that_takes_and_never_tells(outcome: Outcome) -> None:
    first_word = FirstWord(0, may_be_alone=True)
    for now_ms in range(0, HELD_BACK_MS_MAX, 5_000):
        first_word.ended(HONEST.peer, outcome, now_ms, told=False, chosen=True)

    assert first_word.look([HONEST], HELD_BACK_MS_MAX)


def test_look__waits_for_no_log_without_end_once_another_has_told() -> None:
    first_word = FirstWord(0, may_be_alone=True)
    first_word.ended(FRIEND.peer, Outcome.EQUAL, 0, told=False, chosen=False)
    for now_ms in range(0, TELLING_MS_MAX, 5_000):
        first_word.ended(HONEST.peer, Outcome.UNFINISHED, now_ms, told=True, chosen=True)
        assert not first_word.look([HONEST, FRIEND], now_ms)

    assert first_word.look([HONEST, FRIEND], TELLING_MS_MAX)


def test_look__does_not_count_the_time_in_which_nothing_could_be_stored() -> None:
    first_word = FirstWord(0, may_be_alone=True)
    first_word.begin(HELD_BACK_MS_MAX)

    assert not first_word.look([HONEST], 2 * HELD_BACK_MS_MAX - 1)
    assert first_word.look([HONEST], 2 * HELD_BACK_MS_MAX)


def test_look__never_takes_silence_for_an_answer_where_the_journal_lost_its_end() -> None:
    assert wait(FirstWord(0, may_be_alone=False)) is None
    assert wait(FirstWord(0, may_be_alone=False), FRIEND, HONEST) is None

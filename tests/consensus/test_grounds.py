"""The grounds of a verdict say what the verdict says, and why."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.contributions import Counters, Mark, contribution_of
from consensus.grounds import Grounds, Reason, Rule, grounds_of
from consensus.replay import hear, kept_of, replay
from consensus.reputation import reputation_ppm
from consensus.reputation_steps import reputation_steps
from consensus.verdict import State, judge
from protocol.ids import PublicKey
from protocol.params import PPM
from protocol.record import Verified
from protocol.statements import Answer, AnswerKind, Task
from tests.builders import (
    NETWORK,
    a_commit,
    a_jury,
    a_market_day,
    a_record,
    a_reveal,
    a_task,
    id_of,
    key,
    retry_of,
)
from tests.strategies import histories

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NEAR_TIE_PPM = NETWORK.params.near_tie_ppm
STATES = {
    Rule.NO_JURY: State.OPEN,
    Rule.WITHIN_REACH: State.SEATED,
    Rule.AGREEMENT: State.FINAL,
    Rule.OUT_OF_REACH: State.SPLIT,
    Rule.TWO_JURIES: State.VOID,
    Rule.JURY_SIZE: State.VOID,
}
counts = st.integers(0, 2_000)
pairs_of_worker = st.dictionaries(
    st.binary(min_size=32, max_size=32).map(PublicKey),
    st.builds(Counters, counts, counts, counts, counts),
    max_size=12,
)


def grounds(records: list[Verified], task: Task) -> Grounds:
    heard = hear(kept_of(records), NETWORK)
    return grounds_of(heard.tasks[id_of("an", task)], heard, NEAR_TIE_PPM)


def assert_arithmetic(found: Grounds) -> None:
    """Hold the numbers of some grounds against the state they are said to give."""
    assert found.quorum == found.seats // 2 + 1
    if found.state is not State.OPEN and found.state is not State.VOID:
        opened = sum(count for _, count in found.counts)
        assert found.jury_sizes == (opened + found.unopened,)
    if found.rule is Rule.AGREEMENT:
        assert found.most >= found.quorum
    if found.rule is Rule.OUT_OF_REACH:
        assert found.most + found.unopened < found.quorum
    if found.rule is Rule.WITHIN_REACH:
        assert found.most < found.quorum <= found.most + found.unopened


def reasons(found: Grounds) -> dict[PublicKey, Reason]:
    return {one.juror: one.reason for one in found.jurors}


@quick
@given(histories())
def test_grounds__equal_verdict_and_contribution(history: list[Verified]) -> None:
    heard = hear(kept_of(history), NETWORK)

    for task in heard.tasks.values():
        found = grounds_of(task, heard, NEAR_TIE_PPM)
        verdict = judge(task, heard)
        added = contribution_of(task, verdict, heard, NEAR_TIE_PPM)

        assert (found.state, found.answer) == (verdict.state, verdict.answer)
        assert STATES[found.rule] is found.state
        votes = [(vote.juror, vote.commitment, vote.result) for vote in verdict.votes]
        assert [(one.juror, one.commitment, one.result) for one in found.jurors] == votes
        assert tuple(one.mark for one in found.jurors) == added.marks
        assert found.faults == added.faults
        assert_arithmetic(found)


@quick
@given(histories())
def test_grounds__of_all_tasks_add_up_to_the_leaderboard(history: list[Verified]) -> None:
    market = replay(history, NETWORK)
    heard = hear(kept_of(history), NETWORK)
    points: dict[PublicKey, int] = {}
    faults: dict[PublicKey, int] = {}

    for task in heard.tasks.values():
        found = grounds_of(task, heard, NEAR_TIE_PPM)
        faults[task.author] = faults.get(task.author, 0) + found.faults
        for one in found.jurors:
            points[one.juror] = points.get(one.juror, 0) + one.points

    for standing in market.leaderboard:
        assert points.get(standing.key, 0) == standing.points
        assert faults.get(standing.key, 0) == standing.faults
    listed = {standing.key for standing in market.leaderboard}
    assert all(key in listed for key, count in points.items() if count)


@given(pairs_of_worker, st.integers(0, 3))
def test_reputation_steps__end_at_the_reputation(
    pairs: dict[PublicKey, Counters], faults: int
) -> None:
    steps = reputation_steps(pairs, faults)

    assert steps.reputation_ppm == reputation_ppm(pairs.values(), faults)
    assert steps.reputation_ppm == steps.bound_ppm >> faults
    assert steps.total_ppm == sum(step.weight_ppm for step in steps.pairs)
    assert steps.agreeing_ppm == sum(step.agreeing_ppm for step in steps.pairs)
    assert [(step.submitter, step.counters) for step in steps.pairs] == list(pairs.items())
    for step in steps.pairs:
        assert step.weight_ppm == sum(PPM // i for i in range(1, step.runs + 1))


def test_grounds__name_the_quorum_that_agreed() -> None:
    task = a_task()
    answers = {"bo": "positive", "cy": "positive", "di": "negative"}

    found = grounds(a_market_day("an", task, answers), task)

    assert (found.rule, found.seats, found.quorum, found.most) == (Rule.AGREEMENT, 3, 2, 2)
    assert found.counts == (
        (Answer(AnswerKind.VALUE, b"positive"), 2),
        (Answer(AnswerKind.VALUE, b"negative"), 1),
    )
    assert [(one.points, one.mark) for one in found.jurors if one.juror == key("di")] == [
        (0, Mark.DISSENTED)
    ]


def test_grounds__excuse_who_dissents_from_the_undecided() -> None:
    task = a_task()
    answers = {"bo": "positive", "cy": "positive", "di": "negative"}

    found = grounds(a_market_day("an", task, answers, margin_ppm=NEAR_TIE_PPM - 1), task)

    assert (found.near_ties, found.near_ties_needed) == (2, 1)
    assert reasons(found)[key("di")] is Reason.NEAR_TIE


def test_grounds__tell_errors_from_values() -> None:
    task = a_task()
    answers = {"bo": "!too_long", "cy": "!too_long", "di": "positive"}

    found = grounds(a_market_day("an", task, answers), task)

    assert (found.rule, found.most, found.unopened) == (Rule.OUT_OF_REACH, 1, 0)
    assert found.counts[0] == (Answer(AnswerKind.ERROR, b"too_long"), 2)
    assert set(reasons(found).values()) == {Reason.NO_WINNER}


def test_grounds__tell_who_is_absent_and_when_that_counts() -> None:
    task = a_task()
    task_id = id_of("an", task)
    jury = a_jury(task_id, {"bo": "positive", "cy": "positive", "di": "positive"})
    told = [
        a_record("an", task),
        a_record("bo", a_commit("bo", task_id, "positive")),
        a_record("an", jury),
        a_record("di", a_reveal("di", task_id, "positive")),
    ]
    again = a_record("an", retry_of("an", task))

    waiting, tried_again = grounds(told, task), grounds([*told, again], task)

    assert waiting.rule is Rule.WITHIN_REACH
    assert reasons(waiting) == {
        key("bo"): Reason.NOT_YET_ABSENT,
        key("cy"): Reason.NOT_SEALED,
        key("di"): Reason.UNDECIDED,
    }
    assert reasons(tried_again)[key("bo")] is Reason.ABSENT
    assert reasons(tried_again)[key("cy")] is Reason.NOT_SEALED


def test_grounds__name_two_juries_and_a_jury_of_a_wrong_size() -> None:
    task = a_task()
    task_id = id_of("an", task)
    answers = {"bo": "positive", "cy": "positive", "di": "positive"}
    story = a_market_day("an", task, answers)
    other = a_record("an", a_jury(task_id, {"bo": "positive", "cy": "positive"}))
    small = [a_record("an", task), a_record("an", a_jury(task_id, {"bo": "positive"}))]

    two, wrong = grounds([*story, other], task), grounds(small, task)

    assert (two.rule, two.faults, two.jurors) == (Rule.TWO_JURIES, 1, ())
    assert sorted(two.jury_sizes) == [2, 3]
    assert (wrong.rule, wrong.jury_sizes, wrong.faults) == (Rule.JURY_SIZE, (1,), 1)


def test_grounds__mark_nobody_where_too_few_are_asked() -> None:
    task = a_task(seats=1)

    found = grounds(a_market_day("an", task, {"bo": "positive"}), task)

    assert (found.rule, reasons(found)) == (Rule.AGREEMENT, {key("bo"): Reason.TOO_FEW_SEATS})

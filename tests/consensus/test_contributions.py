"""Each counter, on both sides of its edges."""

from dataclasses import replace

from consensus import log
from consensus.contributions import Counters
from consensus.incremental import fold
from protocol.params import PPM
from protocol.record import Verified
from protocol.statements import Seat, Statement, Task
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
from tests.fakes import MemoryRows

TASK = a_task()
TASK_ID = id_of("an", TASK)
NEAR_PPM = NETWORK.params.near_tie_ppm
AGREED, DISSENTED, EXCUSED, ABSENT = (Counters(*[i == j for j in range(4)]) for i in range(4))


def counted(records: list[Verified]) -> dict[str, Counters]:
    """Return what people earned from an, by name."""
    rows = MemoryRows()
    rows.apply(fold(rows, records, NETWORK).changes)
    pairs = log.pairs_of(rows)
    names = ("bo", "cy", "di", "ed", "flo")
    return {n: pairs[key("an"), key(n)] for n in names if (key("an"), key(n)) in pairs}


def faults(records: list[Verified]) -> int:
    rows = MemoryRows()
    rows.apply(fold(rows, records, NETWORK).changes)
    return log.faults_of(rows).get(key("an"), 0)


def life(
    answers: dict[str, str | tuple[str, int]],
    *,
    silent: str = "",
    secret: str = "",
    task: Task = TASK,
) -> list[Verified]:
    """Tell a task's life: an answer may bear a margin; some never open, some never committed."""
    task_id = id_of("an", task)
    seats: list[Seat] = []
    said: list[tuple[str, Statement]] = []
    for name, given in answers.items():
        answer, margin_ppm = given if isinstance(given, tuple) else (given, PPM)
        seats += a_jury(task_id, {name: answer}, margin_ppm=margin_ppm).seats
        if name not in secret.split():
            said.append((name, a_commit(name, task_id, answer, margin_ppm=margin_ppm)))
        if name not in silent.split():
            said.append((name, a_reveal(name, task_id, answer, margin_ppm=margin_ppm)))
    jury = type(a_jury(task_id, {"bo": "yes"}))(task_id, tuple(sorted(seats)))
    return [a_record("an", task), a_record("an", jury), *(a_record(n, s) for n, s in said)]


def test_agreed__needs_a_final_verdict() -> None:
    assert counted(life({"bo": "yes", "cy": "yes", "di": "yes"}, silent="bo cy")) == {}
    assert counted(life({"bo": "yes", "cy": "yes", "di": "yes"})) == {
        "bo": AGREED,
        "cy": AGREED,
        "di": AGREED,
    }


def test_agreed__needs_no_commit_in_the_log() -> None:
    assert counted(life({"bo": "yes", "cy": "yes", "di": "yes"}, secret="di"))["di"] == AGREED


def test_dissented__is_any_other_opening_errors_included() -> None:
    assert counted(life({"bo": "yes", "cy": "yes", "di": "no"}))["di"] == DISSENTED
    assert counted(life({"bo": "yes", "cy": "yes", "di": "!yes"}))["di"] == DISSENTED


def test_split__adds_nothing() -> None:
    assert counted(life({"bo": "yes", "cy": "no", "di": "!bad"})) == {}


def test_excused__needs_near_ties_among_those_who_agree() -> None:
    near, sure = ("yes", NEAR_PPM - 1), ("yes", NEAR_PPM)

    # quorum 2: one near tie is enough
    assert counted(life({"bo": near, "cy": sure, "di": "no"}))["di"] == EXCUSED
    assert counted(life({"bo": sure, "cy": sure, "di": "no"}))["di"] == DISSENTED
    # the loser's own margin excuses nobody
    assert counted(life({"bo": sure, "cy": sure, "di": ("no", 0)}))["di"] == DISSENTED


def test_excused__needs_half_of_the_quorum() -> None:
    near, sure = ("yes", NEAR_PPM - 1), ("yes", NEAR_PPM)
    task = a_task(seats=5)  # quorum 3: two near ties

    two = counted(life({"bo": near, "cy": near, "di": sure, "ed": "no", "flo": "!x"}, task=task))
    one = counted(life({"bo": near, "cy": sure, "di": sure, "ed": "no", "flo": "!x"}, task=task))

    assert (two["ed"], two["flo"]) == (EXCUSED, EXCUSED)
    assert (one["ed"], one["flo"]) == (DISSENTED, DISSENTED)


def test_absent__is_a_commitment_never_opened_on_a_final_task() -> None:
    answers: dict[str, str | tuple[str, int]] = {"bo": "yes", "cy": "yes", "di": "yes"}

    assert counted(life(answers, silent="di"))["di"] == ABSENT
    assert "di" not in counted(life(answers, silent="di", secret="di"))


def test_absent__needs_the_pinned_commitment_by_the_juror_itself() -> None:
    answers: dict[str, str | tuple[str, int]] = {"bo": "yes", "cy": "yes", "di": "yes"}
    story = life(answers, silent="di", secret="di")
    copied = a_record("ed", a_commit("di", TASK_ID, "yes"))
    other = a_record("di", a_commit("di", TASK_ID, "no"))

    assert "di" not in counted([*story, copied, other])


def test_absent__is_cured_by_opening_late() -> None:
    answers: dict[str, str | tuple[str, int]] = {"bo": "yes", "cy": "yes", "di": "yes"}
    late = a_record("di", a_reveal("di", TASK_ID, "yes"), created_ms=2**52)

    assert counted([*life(answers, silent="di"), late])["di"] == AGREED


def test_absent__on_a_task_without_an_answer_needs_a_valid_retry() -> None:
    answers: dict[str, str | tuple[str, int]] = {"bo": "yes", "cy": "yes", "di": "yes"}
    story = life(answers, silent="cy di", secret="cy")
    retry = retry_of("an", TASK)
    invalid = [
        a_record("sue", retry),
        a_record("an", replace(retry, attempt=2)),
        a_record("an", replace(retry, input=b"other words")),
        a_record("an", replace(retry, task_type="echo")),
        a_record("an", replace(retry, model_digest=b"")),
        a_record("an", replace(retry, retry_of=id_of("sue", TASK))),
    ]

    assert counted([*story, *invalid]) == {}
    assert counted([*story, a_record("an", retry)]) == {"di": ABSENT}
    assert counted([*story, a_record("an", replace(retry, seats=7))]) == {"di": ABSENT}


def test_absent__is_not_counted_on_a_void_task() -> None:
    story = life({"bo": "yes", "cy": "yes", "di": "yes"}, silent="di")
    second = a_record("an", a_jury(TASK_ID, {"bo": "yes", "cy": "yes"}))

    assert counted([*story, second, a_record("an", retry_of("an", TASK))]) == {}


def test_fault__is_one_per_void_task_and_takes_the_points_back() -> None:
    day = a_market_day("an", TASK, {"bo": "yes", "cy": "yes", "di": "yes"})
    more = [a_record("an", a_jury(TASK_ID, {"bo": "yes", name: "yes"})) for name in ("cy", "di")]

    assert (faults(day), len(counted(day))) == (0, 3)
    assert (faults([*day, *more]), len(counted([*day, *more]))) == (1, 0)


def test_one_seat__gives_no_points_but_may_be_a_fault() -> None:
    task = a_task(seats=1)
    day = a_market_day("an", task, {"bo": "yes"})
    second = a_record("an", a_jury(id_of("an", task), {"cy": "yes"}))

    assert (counted(day), faults(day)) == ({}, 0)
    assert (counted([*day, second]), faults([*day, second])) == ({}, 1)

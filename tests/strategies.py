"""Histories as Hypothesis draws them: honest days, and everything a stranger may sign.

Few people, few tasks and few answers, so that statements collide as often as they can.
"""

import random
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from protocol.ids import Commitment, TaskId
from protocol.params import PPM
from protocol.record import Verified
from protocol.statements import Commit, Jury, Reveal, Statement, Task
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_commit,
    a_jury,
    a_profile,
    a_record,
    a_result,
    a_reveal,
    a_task,
    id_of,
    key,
    retry_of,
)

SUBMITTERS = ("an", "sue")
WORKERS = ("bo", "cy", "di", "ed", "flo")
ANSWERS = ("positive", "positive", "positive", "negative", "!too_long")
NEAR_PPM = NETWORK.params.near_tie_ppm - 1
MARGINS = (PPM, PPM, NEAR_PPM, NETWORK.params.near_tie_ppm)

Said = tuple[str, Statement]  # author, statement


@dataclass(frozen=True)
class Run:
    """What one juror does for one task."""

    juror: str
    answer: str
    margin_ppm: int
    commits: bool
    reveals: bool


def _mostly(likely: bool) -> st.SearchStrategy[bool]:
    return st.sampled_from((likely,) * 4 + (not likely,))


@st.composite
def runs(draw: st.DrawFn, seats: int) -> list[Run]:
    """Draw the jurors of one task, mostly as many as it asks for."""
    workers = draw(st.permutations(WORKERS))
    size = draw(st.sampled_from((seats,) * 8 + (seats // 2 + 1, 1, 5)))
    return [
        Run(
            juror=worker,
            answer=draw(st.sampled_from(ANSWERS)),
            margin_ppm=draw(st.sampled_from(MARGINS)),
            commits=draw(_mostly(likely=True)),
            reveals=draw(_mostly(likely=True)),
        )
        for worker in workers[: min(size, len(workers))]
    ]


def _jury(task_id: TaskId, jurors: list[Run]) -> Jury:
    seats = [
        a_jury(task_id, {run.juror: run.answer}, margin_ppm=run.margin_ppm).seats[0]
        for run in jurors
    ]
    return Jury(task_id, tuple(sorted(seats)))


@st.composite
def lives(draw: st.DrawFn, submitter: str, task: Task) -> list[Said]:
    """Draw everything said about one task: some of it missing, forged or said twice."""
    task_id = id_of(submitter, task)
    jurors = draw(runs(task.seats))
    said: list[Said] = []
    if draw(_mostly(likely=True)):
        said.append((submitter, task))
    for run in jurors:
        if run.commits:
            commit = a_commit(run.juror, task_id, run.answer, margin_ppm=run.margin_ppm)
            said.append((run.juror, commit))
        if run.reveals:
            reveal = a_reveal(run.juror, task_id, run.answer, margin_ppm=run.margin_ppm)
            said.append((run.juror, reveal))
    for _ in range(draw(st.sampled_from((0,) + (1,) * 9 + (2, 3)))):
        said.append((submitter, _jury(task_id, jurors)))
        jurors = jurors[:-1] or jurors  # one more jury is another one, or the very same
    return said


@st.composite
def mischief(draw: st.DrawFn, submitter: str, task: Task) -> Said:
    """Draw one statement that an honest node would not make."""
    task_id = id_of(submitter, task)
    worker = draw(st.sampled_from(WORKERS))
    other = draw(st.sampled_from(WORKERS))
    answer = draw(st.sampled_from(ANSWERS))
    stranger = draw(st.sampled_from(("mallory", *SUBMITTERS)))
    match draw(st.integers(0, 7)):
        case 0:  # another's commitment, copied
            return worker, a_commit(other, task_id, answer)
        case 1:  # another's opening, copied
            return worker, a_reveal(other, task_id, answer)
        case 2:  # an opening with another salt
            return worker, Reveal(task_id, a_result(answer), bytes(32))
        case 3:  # a jury of somebody else's task
            return stranger, a_jury(task_id, {worker: answer})
        case 4:  # the same words by somebody else: another task
            return stranger, task
        case 5 if task.attempt < NETWORK.params.attempts_max:  # a retry of another's task
            return stranger, retry_of(submitter, task)
        case 6:  # a second thought
            return worker, a_commit(worker, task_id, answer)
        case _:
            return worker, Commit(task_id, Commitment(bytes(32)))


@st.composite
def retries(draw: st.DrawFn, submitter: str, task: Task) -> Task:
    """Draw a retry, as often as not a valid one."""
    good = retry_of(submitter, task, nonce=draw(st.integers(0, 1)))
    changed: dict[str, Any] = draw(
        st.sampled_from(
            (
                {},
                {},
                {},
                {"seats": 5},
                {"input": b"other words"},
                {"task_type": "echo"},
                {"model_digest": b""},
                {"attempt": task.attempt + 2},
                {"retry_of": bytes(32)},
            )
        )
    )
    return replace(good, **changed)


@st.composite
def sayings(draw: st.DrawFn) -> list[Said]:
    """Draw what is said in one market: one to three tasks, their retries, and mischief."""
    said: list[Said] = []
    for nonce in range(draw(st.integers(1, 3))):
        submitter = draw(st.sampled_from(SUBMITTERS))
        task = a_task(seats=draw(st.sampled_from((3, 3, 3, 5, 1))), nonce=nonce)
        said += draw(lives(submitter, task))
        for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
            attempt = draw(retries(submitter, task))
            said += draw(lives(submitter, attempt))
            if draw(st.booleans()):
                task = attempt
        said += draw(st.lists(mischief(submitter, task), max_size=3))
    if draw(st.booleans()):
        said.append(("bo", a_profile("bo", sequence=draw(st.integers(0, 2)))))
        said.append(("bo", a_profile("Bo", sequence=draw(st.integers(0, 2)))))
    return said


@st.composite
def histories(draw: st.DrawFn) -> list[Verified]:
    """Draw the records of one market: statements by author, bundled and dated at random.

    Some statements are said again in a second record, as a node after a crash might.
    """
    said = draw(sayings())
    said += draw(st.lists(st.sampled_from(said), max_size=3)) if said else []
    rng = random.Random(draw(st.integers(0, 2**16)))
    by_author: dict[str, list[Statement]] = {}
    records: list[Verified] = []
    for author, statement in said:
        if isinstance(statement, Jury):
            if key(author) not in [seat.juror for seat in statement.seats]:
                moment = NOON_MS + rng.randrange(3)
                records.append(a_record(author, statement, created_ms=moment))
        else:
            by_author.setdefault(author, []).append(statement)
    for author, statements in by_author.items():
        at = 0
        while at < len(statements):
            size = rng.randint(1, 3)
            moment = NOON_MS + rng.randrange(3)
            records.append(a_record(author, *statements[at : at + size], created_ms=moment))
            at += size
    return records

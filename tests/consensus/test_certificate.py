"""Whoever holds a certificate and nothing else comes to what the whole log says."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from consensus import log
from consensus.certificate import ATTEMPTS_MAX, Certificate
from consensus.certificate_check import NotProven, check
from consensus.certify import RecordsLacking, TooMuch, certify, found_by, stories_of
from consensus.rows import Rows
from consensus.verdict import State
from protocol.ids import TaskId
from protocol.record import Verified
from tests.builders import NETWORK, NOON_MS, a_record, a_task, id_of, retry_of
from tests.certificates import (
    DAY,
    TASK_ID,
    a_certificate,
    a_chain,
    certified,
    of_every_state,
    rows_of,
)
from tests.strategies import histories

TASKS_MIN = 1_000
many = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def says_what_the_log_says(certificate: Certificate, rows: Rows, task_id: TaskId) -> bool:
    """Compare a claim with the verdicts that the node itself shows."""
    chain = log.chain_of(rows, task_id)
    claim = certificate.claim
    if (certificate.task_id, [one.task_id for one in claim.attempts]) != (chain[0], list(chain)):
        return False
    for attempt in claim.attempts:
        verdict = log.find_verdict(rows, attempt.task_id)
        assert verdict is not None
        if (attempt.state, attempt.answer or b"") != (verdict.state, verdict.answer):
            return False
        opened = [vote.result and vote.result.answer.value for vote in verdict.votes]
        if [one.opened and one.opened.value for one in attempt.jurors] != opened:
            return False
    final = log.chain_answer(rows, chain)
    if final is not None:
        decided_by, verdict = final
        return (claim.decided_by, claim.answer) == (decided_by, verdict.answer)
    last = log.find_verdict(rows, chain[-1])
    return last is not None and (claim.state, claim.answer) == (last.state, None)


def test_check__comes_to_what_the_log_says_of_any_task() -> None:
    compared: Counter[str] = Counter()

    @many
    @given(histories())
    def holds(history: list[Verified]) -> None:
        rows = rows_of(history)
        for task_id in log.newest_tasks(rows, limit=100):
            certificate = certified(rows, task_id)
            proof = check(certificate)
            assert [task.task_id for task in proof.tasks] == list(log.chain_of(rows, task_id))
            assert says_what_the_log_says(certificate, rows, task_id)
            compared[certificate.claim.state.name] += 1
            compared["single seat"] += any(one.seats == 1 for one in certificate.claim.attempts)
            compared["retried"] += len(certificate.claim.attempts) > 1

    holds()

    assert sum(compared[state.name] for state in State) >= TASKS_MIN
    assert all(compared[kind] for kind in ("single seat", "retried", *(s.name for s in State)))


@quick
@given(histories())
def test_check__needs_every_record(history: list[Verified]) -> None:
    rows = rows_of(history)
    for task_id in log.newest_tasks(rows, limit=2):
        certificate = certified(rows, task_id)
        if any(one.state is State.VOID for one in certificate.claim.attempts):
            continue  # without a second jury, one of a wrong size may still void it
        for at in range(len(certificate.records)):
            fewer = certificate.records[:at] + certificate.records[at + 1 :]
            with pytest.raises(NotProven):
                check(replace(certificate, records=fewer))


@quick
@given(histories())
def test_check__refuses_every_other_state(history: list[Verified]) -> None:
    rows = rows_of(history)
    for task_id in log.newest_tasks(rows, limit=2):
        certificate = certified(rows, task_id)
        for state in set(State) - {certificate.claim.state}:
            claim = replace(certificate.claim, state=state)
            with pytest.raises(NotProven, match=r"claim\.state"):
                check(replace(certificate, claim=claim))


@quick
@given(histories())
def test_certify__writes_the_same_out_of_equal_logs(history: list[Verified]) -> None:
    there, back = rows_of(history), rows_of(history[::-1])

    for task_id in log.newest_tasks(there, limit=3):
        assert certified(there, task_id) == certified(back, task_id)


@pytest.mark.parametrize("name", sorted(of_every_state()))
def test_certify__holds_the_records_of_its_task_and_no_others(name: str) -> None:
    task_id, records = of_every_state()[name]
    other = a_task("something else", nonce=9)

    certificate = a_certificate([*records, a_record("an", other)], task_id)

    check(certificate)
    needed = {record.record_id for record in records}
    if name == "void":  # no commit and no reveal counts any more
        needed = {one.record_id for one in records if one.author == records[0].author}
    raw_of = {record.record_id: record.raw for record in records}
    assert list(certificate.records) == [raw_of[record_id] for record_id in sorted(needed)]


def test_certify__is_the_same_for_every_attempt_of_a_chain() -> None:
    task_id, records = a_chain()
    rows = rows_of(records)

    certificates = [certified(rows, one) for one in log.chain_of(rows, task_id)]

    assert len(certificates) == 2
    assert certificates[0] == certificates[1]


def test_certify__finds_a_juror_whose_clock_is_far_behind() -> None:
    early = [a_record("bo", *DAY[1].statements, created_ms=5), *DAY[:1], *DAY[2:]]

    check(a_certificate(early))


def test_certify__says_what_was_not_found() -> None:
    rows = rows_of(DAY)
    found = found_by(stories_of(rows, TASK_ID, NETWORK))  # they did not look yet

    with pytest.raises(RecordsLacking, match="the commit of "):
        certify(rows, TASK_ID, NETWORK, found)


def test_certify__refuses_retries_without_end() -> None:
    task = a_task()
    records = [a_record("an", task)]
    for nonce in range(ATTEMPTS_MAX):
        again = retry_of("an", task, nonce=nonce)
        records.append(a_record("an", again, created_ms=NOON_MS + nonce))

    check(a_certificate(records[:-1], id_of("an", task)))
    with pytest.raises(TooMuch, match="63 attempts"):
        a_certificate(records, id_of("an", task))

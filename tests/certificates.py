"""Certificates out of records, as a node would write them."""

from collections.abc import Iterable

from consensus.certificate import Certificate
from consensus.certify import certify, found_by, stories_of
from consensus.incremental import fold
from consensus.rows import Rows
from protocol.ids import TaskId
from protocol.record import Verified
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_jury,
    a_market_day,
    a_record,
    a_reveal,
    a_task,
    id_of,
    retry_of,
)
from tests.fakes import MemoryRows

TASK = a_task()
TASK_ID = id_of("an", TASK)
ANSWERS = {"bo": "positive", "cy": "positive", "di": "negative"}
DAY = tuple(a_market_day("an", TASK, ANSWERS))
SPLIT = {"bo": "positive", "cy": "!too_long", "di": "negative"}


def rows_of(records: Iterable[Verified]) -> MemoryRows:
    """Fold records into rows."""
    rows = MemoryRows()
    rows.apply(fold(rows, list(records), NETWORK).changes)
    return rows


def certified(rows: Rows, task_id: TaskId) -> Certificate:
    """Write the certificate of a task that is in the rows."""
    stories = stories_of(rows, task_id, NETWORK)
    for story in stories:
        while story.look(rows, count=100):
            pass
    return certify(rows, task_id, NETWORK, found_by(stories))


def a_certificate(records: Iterable[Verified] = DAY, task_id: TaskId = TASK_ID) -> Certificate:
    """Write the certificate of one task out of some records."""
    return certified(rows_of(records), task_id)


def a_chain() -> tuple[TaskId, list[Verified]]:
    """Tell of a split and of its retry, which is final; return the first task with all records."""
    task = a_task("halved")
    records = a_market_day("an", task, SPLIT)
    records += a_market_day("an", retry_of("an", task), ANSWERS)
    return id_of("an", task), records


def of_every_state() -> dict[str, tuple[TaskId, list[Verified]]]:
    """Tell of tasks in each state, by its name."""
    told: dict[str, tuple[TaskId, list[Verified]]] = {
        "open": (TASK_ID, list(DAY[:1])),
        "seated": (TASK_ID, list(DAY[:5])),
        "final": (TASK_ID, list(DAY)),
        "split": (TASK_ID, a_market_day("an", TASK, SPLIT)),
    }
    second = a_jury(TASK_ID, {"bo": "positive", "cy": "negative"})
    told["void"] = (TASK_ID, [*DAY, a_record("an", second)])
    alone = a_task("alone", seats=1)
    told["single"] = (id_of("an", alone), a_market_day("an", alone, {"bo": "positive"}))
    told["retried"] = a_chain()
    return told


def late_reveal(salt: bytes) -> Verified:
    """Sign a reveal of di with a salt of its own."""
    reveal = a_reveal("di", TASK_ID, "positive")
    changed = type(reveal)(reveal.task_id, reveal.result, salt)
    return a_record("di", changed, created_ms=NOON_MS + 9)

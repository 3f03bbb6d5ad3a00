"""What is told of the rows a step writes."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus import log
from consensus.incremental import fold
from consensus.rows import Changes
from consensus.verdict import State
from node.core.own import cancellation
from node.feed import Feed, News
from node.names import peer_id_of
from node.news import WORKERS_TOLD_MAX, Reporter, news_of
from node.show import STATE_NAMES
from node.views_events import (
    AnswersEvent,
    CancelEvent,
    EventView,
    JuryEvent,
    NodeEvent,
    PeerEvent,
    ScoresEvent,
    TaskEvent,
    VerdictEvent,
)
from protocol.ids import PeerId
from protocol.record import Verified
from tests.builders import (
    NETWORK,
    NOON_MS,
    a_commit,
    a_market_day,
    a_profile,
    a_record,
    a_task,
    id_of,
    key,
    retry_of,
)
from tests.fakes import MemoryRows
from tests.strategies import histories

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WELL = NodeEvent("node", ready=True, waiting="", signing=True, read_only="", behind=False)


class Newsroom:
    """A reporter over rows in memory; a test says how the node is."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.condition = WELL
        self.feed = Feed("run")
        self.reporter = Reporter(
            self.feed, self.rows, me=key("an"), condition=lambda: self.condition
        )

    def step(self, *lots: Sequence[Verified]) -> None:
        """Let one step of the machine fold lots of records, one after the other."""
        written: list[Changes] = []
        for records in lots:
            changes = fold(self.rows, records, NETWORK).changes
            self.rows.apply(changes)
            written.append(changes)
        self.reporter.note_step(written)

    def told(self) -> list[EventView]:
        return [self.reporter.view(event.news) for event in self.feed.after(0).events]


@quick
@given(records=histories(), sizes=st.lists(st.integers(1, 4), max_size=8))
def test_note_step__tells_each_task_once_and_every_verdict_as_it_stands(
    records: list[Verified], sizes: list[int]
) -> None:
    room = Newsroom()
    at = 0
    for size in (*sizes, max(1, len(records))):
        room.step(records[at : at + size])
        at += size

    told = room.told()

    appeared = [one.task_id for one in told if isinstance(one, TaskEvent)]
    known = {task_id.hex(): task_id for task_id in log.newest_tasks(room.rows, limit=1_000)}
    assert sorted(appeared) == sorted(known)
    last = {one.task_id: (one.state, one.answer) for one in told if isinstance(one, VerdictEvent)}
    for task_id, raw in known.items():
        verdict = log.find_verdict(room.rows, raw)
        assert verdict is not None
        if verdict.state is not State.OPEN:
            assert last[task_id][0] == STATE_NAMES[verdict.state]
            assert (last[task_id][1] is not None) == (verdict.state is State.FINAL)
    scores = [one.state_digest for one in told if isinstance(one, ScoresEvent)]
    if log.pairs_of(room.rows):
        assert scores


def test_note_step__tells_the_life_of_a_task_in_order() -> None:
    room = Newsroom()
    task = a_task("fine")
    task_id = id_of("an", task).hex()
    room.step([a_record("bo", a_profile("bob"))])
    for record in a_market_day("an", task, {"bo": "positive", "cy": "positive", "di": "negative"}):
        room.step([record])

    told = room.told()

    words: list[Any] = [
        (one.type, getattr(one, "state", None)) for one in told if one.type != "scores"
    ]
    assert words == [
        ("task", None),
        ("commit", None),
        ("commit", None),
        ("commit", None),
        ("jury", None),
        ("verdict", "seated"),
        ("reveal", None),
        ("reveal", None),
        ("verdict", "final"),
        ("reveal", None),  # and no second verdict, though it changes marks
    ]
    appeared, sealed, jury = told[0], told[1], told[4]
    assert isinstance(appeared, TaskEvent)
    assert (appeared.task_id, appeared.mine, appeared.seats) == (task_id, True, 3)
    assert appeared.submitter.peer_id == peer_id_of(key("an"))
    assert isinstance(sealed, AnswersEvent)
    assert (sealed.workers[0].worker_id, sealed.count) == ("bob", 1)
    assert isinstance(jury, JuryEvent)
    assert jury.by.peer_id == peer_id_of(key("an"))
    assert {worker.peer_id for worker in jury.jurors} == {
        peer_id_of(key(name)) for name in ("bo", "cy", "di")
    }
    verdict = told[-4]
    assert isinstance(verdict, VerdictEvent)
    assert verdict.answer == "positive"


def test_note_step__tells_a_crowd_of_commits_as_one_event() -> None:
    room = Newsroom()
    task = a_task()
    crowd = [
        a_record(f"w{n}", a_commit(f"w{n}", id_of("an", task), "positive"))
        for n in range(WORKERS_TOLD_MAX + 5)
    ]

    room.step([a_record("an", task)], crowd[:7], crowd[7:])

    _, sealed = room.told()
    assert isinstance(sealed, AnswersEvent)
    assert (len(sealed.workers), sealed.count) == (WORKERS_TOLD_MAX, WORKERS_TOLD_MAX + 5)


def test_note_step__does_not_tell_a_task_again_whose_date_was_corrected() -> None:
    room = Newsroom()
    room.step([a_record("an", a_task(), created_ms=NOON_MS)])
    room.step([a_record("an", a_task(), created_ms=NOON_MS - 1)])

    assert [one.type for one in room.told()] == ["task"]


def test_note_step__names_the_parent_of_a_retry() -> None:
    room = Newsroom()
    first = a_task(seats=1)
    room.step([a_record("an", first)])
    room.step([a_record("an", retry_of("an", first))])

    news = [event.news for event in room.feed.after(0).events]

    assert [one.parent for one in news if one.kind == "task"] == [b"", id_of("an", first)]
    again = room.told()[1]
    assert isinstance(again, TaskEvent)
    assert (again.attempt, again.retry_of) == (1, id_of("an", first).hex())


def test_note_step__tells_what_the_user_gave_up() -> None:
    room = Newsroom()
    task_id = id_of("an", a_task())

    room.reporter.note_step([cancellation(task_id)])

    assert room.told() == [CancelEvent("cancel", task_id.hex())]


def test_note_step__asks_how_the_node_is_only_for_those_who_read() -> None:
    room = Newsroom()
    room.reporter.note_step([])
    room.feed.readers = 1
    room.reporter.note_step([])
    room.reporter.note_step([])
    room.condition = NodeEvent("node", False, "the disk: full", False, "full", behind=False)
    room.reporter.note_step([])

    assert room.told() == [WELL, room.condition]


def test_note_peer__tells_who_came_and_left() -> None:
    room = Newsroom()
    room.step([a_record("bo", a_profile("bob"))])
    room.reporter.note_peer(peer_id_of(key("bo")), True)
    room.reporter.note_peer(peer_id_of(key("bo")), False)
    room.reporter.note_peer(PeerId("no peer id of a key"), True)

    told = room.told()

    assert [
        (one.worker.worker_id, one.connected) for one in told if isinstance(one, PeerEvent)
    ] == [
        ("bob", True),
        ("bob", False),
    ]
    assert len(told) == 2


def test_news_of__takes_own_rows_and_indexes_for_no_news() -> None:
    own: Changes = {b"Sslot": b"id", b"Qrequest": b"id", b"Otask": b"", b"x": b"", b"r": b"raw"}

    assert news_of([own]) == []
    assert news_of([]) == []


def test_news_of__has_the_last_of_two_rows_of_one_kind() -> None:
    day = a_market_day("an", a_task(), {"bo": "positive", "cy": "positive"})
    room = Newsroom()

    room.step(day[:4], day[4:])

    kinds = [event.news.kind for event in room.feed.after(0).events]
    assert kinds == ["task", "commit", "jury", "reveal", "verdict", "scores"]
    last = room.told()[-2]
    assert isinstance(last, VerdictEvent)
    assert last.state == "final"
    assert isinstance(room.feed.after(0).events[0].news, News)

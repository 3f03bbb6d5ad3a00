"""What a step of the machine, a peer or a disk is news of, and the same in words.

What was written is looked through by the letters of its rows and kept as it is; it is put into
words only for those who read it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consensus import layout
from consensus.rows import Changes, Rows
from consensus.state_digest import digest_of
from consensus.verdict import State
from node.core.own import CANCELLED
from node.feed import Feed, News
from node.names import key_of, worker_view
from node.show import STATE_NAMES, answer_text
from node.views import WorkerView
from node.views_events import (
    AnswersEvent,
    CancelEvent,
    EventType,
    EventView,
    JuryEvent,
    NodeEvent,
    PeerEvent,
    ScoresEvent,
    TaskEvent,
    VerdictEvent,
)
from protocol.ids import PeerId, PublicKey, TaskId

WORKERS_TOLD_MAX = 16  # of one event; more than a jury of most tasks, and who more is in the task
STATES_REMEMBERED_MAX = 4_096  # a guess: tasks that are under way; beyond, some is told again

_TASK, _CHILD, _TOTALS = layout.TASK[0], layout.CHILD[0], layout.TOTALS[0]
_COMMIT, _JURY, _OPENING = layout.COMMIT[0], layout.JURY[0], layout.OPENING[0]
_JUDGED, _PAIR, _FAULT = layout.JUDGED[0], layout.PAIR[0], layout.FAULT[0]
_CANCELLED = CANCELLED[0]
# In the order in which they happen to a task.
_KINDS: dict[int, EventType] = {
    _TASK: "task",
    _COMMIT: "commit",
    _JURY: "jury",
    _OPENING: "reveal",
    _JUDGED: "verdict",
}


def news_of(steps: Iterable[Changes]) -> list[News]:
    """Return what changes of rows are news of: one of a kind for each task, as its life goes.

    However many rows of one kind a task got, they are one piece of news; tasks come in the order
    in which they were touched, scores last.
    """
    tasks: dict[bytes, dict[int, _Told]] = {}
    parents: dict[bytes, bytes] = {}
    ends: list[News] = []
    scored, totals = False, b""
    for key, value in (row for changes in steps for row in changes.items()):
        letter = key[0]
        if value is None:
            continue
        if letter in _KINDS:
            told = tasks.setdefault(key[1:33], {}).setdefault(letter, _Told())
            told.value = value
            if len(key) > 33:
                told.keys.append(PublicKey(key[33:65]))
        elif letter == _CHILD:
            parents[key[65:]] = key[1:33]
        elif letter == _TOTALS:
            totals = value
        elif letter in (_PAIR, _FAULT):
            scored = True
        elif letter == _CANCELLED:
            ends.append(News("cancel", key[1:]))
    if scored:
        ends.append(News("scores", value=totals))
    return [
        *(
            News(kind, task_id, one.value, tuple(one.keys), parents.get(task_id, b""))
            for task_id, rows in tasks.items()
            for letter, kind in _KINDS.items()
            if (one := rows.get(letter)) is not None
        ),
        *ends,
    ]


@dataclass(slots=True)
class _Told:
    """The last row of one kind, and whom all of them name."""

    value: bytes = b""
    keys: list[PublicKey] = field(default_factory=list)


class Teller(Protocol):
    """Whoever tells what happens.

    Attributes:
        feed: Where news are.
    """

    feed: Feed

    def view(self, news: News) -> EventView:
        """Put news into words."""
        ...


class Reporter:
    """Fills a feed with what happens, and puts it into words for those who read it.

    Attributes:
        feed: Where news go.
    """

    def __init__(
        self, feed: Feed, rows: Rows, *, me: PublicKey, condition: Callable[[], NodeEvent]
    ) -> None:
        """Take the parts.

        Args:
            feed: Where news go.
            rows: The log.
            me: Our own key.
            condition: Says how the node is; asked only while somebody reads.
        """
        self.feed = feed
        self._rows = rows
        self._me = me
        self._condition = condition
        self._told_condition: NodeEvent | None = None
        self._told_states: OrderedDict[bytes, tuple[State, bytes]] = OrderedDict()

    def note_step(self, written: Sequence[Changes]) -> None:
        """Tell what a step of the machine wrote, be it nothing."""
        news = [one for one in news_of(written) if self._is_new(one)]
        if self.feed.readers:
            news += self._changed_condition()
        self.feed.add(news)

    def note_peer(self, peer_id: PeerId, is_here: bool) -> None:
        """Tell that a peer came or left."""
        key = key_of(peer_id)
        if key is not None:
            self.feed.add([News("peer", value=b"here" if is_here else b"", keys=(key,))])

    def view(self, news: News) -> EventView:
        """Put news into words, with the nicknames of now."""
        task_id = news.task_id.hex()
        match news.kind:
            case "task":
                return self._task_event(news)
            case "commit" | "reveal":
                return AnswersEvent(news.kind, task_id, self._workers(news.keys), len(news.keys))
            case "jury":
                kept = layout.read_juries(news.value)[0]
                jury = layout.jury_of(TaskId(news.task_id), kept)
                by = worker_view(self._rows, news.keys[-1])
                return JuryEvent("jury", task_id, by, self._workers([s.juror for s in jury.seats]))
            case "verdict":
                judged = layout.read_judged(news.value)
                answer = answer_text(judged.answer) if judged.state is State.FINAL else None
                return VerdictEvent("verdict", task_id, STATE_NAMES[judged.state], answer)
            case "cancel":
                return CancelEvent("cancel", task_id)
            case "scores":
                digest = digest_of(layout.read_totals(news.value).digest)
                return ScoresEvent("scores", digest.hex())
            case "peer":
                worker = worker_view(self._rows, news.keys[0])
                return PeerEvent("peer", worker, connected=bool(news.value))
            case "node":
                assert news.condition is not None, "it was noted with the news"
                return news.condition

    def _task_event(self, news: News) -> TaskEvent:
        submitted = layout.read_task(TaskId(news.task_id), news.value)
        task = submitted.task
        return TaskEvent(
            type="task",
            task_id=submitted.task_id.hex(),
            task_type=task.task_type,
            submitter=worker_view(self._rows, submitted.author),
            mine=submitted.author == self._me,
            created_ms=submitted.created_ms,
            seats=task.seats,
            attempt=task.attempt,
            retry_of=task.retry_of.hex(),
        )

    def _workers(self, keys: Sequence[PublicKey]) -> tuple[WorkerView, ...]:
        return tuple(worker_view(self._rows, key) for key in keys[:WORKERS_TOLD_MAX])

    def _is_new(self, news: News) -> bool:
        """Answer whether this is not the same again.

        The row of a task is written anew when an earlier date of it turns up, that of its verdict
        when a late opening changes who gets points.
        """
        told = self._told_states
        if news.kind == "task":
            if news.task_id in told:
                return False
            said = State.OPEN, b""
        elif news.kind == "verdict":
            judged = layout.read_judged(news.value)
            said = judged.state, judged.answer
            if told.get(news.task_id) == said:
                return False
        else:
            return True
        told[news.task_id] = said
        told.move_to_end(news.task_id)
        if len(told) > STATES_REMEMBERED_MAX:
            told.popitem(last=False)
        return True

    def _changed_condition(self) -> list[News]:
        now = self._condition()
        if now == self._told_condition:
            return []
        self._told_condition = now
        return [News("node", condition=now)]

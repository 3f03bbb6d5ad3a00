"""Listing tasks page by page: bounded in what is shown and in what is looked through for it."""

import base64
import binascii
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import islice

from consensus import layout
from consensus.log import find_task
from consensus.rows import Rows
from consensus.verdict import State, SubmittedTask
from node.core.own import is_cancelled
from node.errors import RequestRefused
from node.explain.words import name_of
from node.hex_ids import PREFIX_DIGITS_MIN
from node.names import alias_of, peer_id_of, worker_view
from node.ports import TaskQuery
from node.show import STATE_NAMES, answer_text, input_text
from node.views import TaskPageView, TaskSummaryView, WorkerView
from protocol.ids import PublicKey, TaskId

# What one page looks through. Measured: 10 to 20 us a row, so 10 ms of the one loop a node has.
TASKS_SEARCHED_MAX = 500
TEXT_SHOWN_MAX = 200  # characters of an input; all of it is in the task itself
_CURSOR_BYTES = 8 + 32


def list_tasks(rows: Rows, query: TaskQuery, *, me: PublicKey) -> TaskPageView:
    """Return the newest tasks that fit, or those after a cursor.

    A page whose filter fits little may be short, or empty, and still have a next one. Tasks that
    arrive meanwhile change no page that follows: they are newer, or dated where they belong.

    Raises:
        RequestRefused: 400 if the cursor is none.
    """
    after = b"" if query.cursor is None else read_cursor(query.cursor)
    fits = _Fit(rows, query, me=me)
    named = lru_cache(maxsize=TASKS_SEARCHED_MAX)(partial(worker_view, rows))
    found: list[TaskSummaryView] = []
    last = b""
    walk = rows.scan(layout.NEWEST, after=after)
    for key, _ in islice(walk, TASKS_SEARCHED_MAX):
        last = key
        submitted = find_task(rows, TaskId(key[9:]))
        if submitted is not None and fits(submitted):
            found.append(summary_view(rows, submitted, me=me, named=named))
            if len(found) == query.limit:
                break
    has_more = next(walk, None) is not None
    return TaskPageView(tuple(found), write_cursor(last) if has_more else None)


def summary_view(
    rows: Rows,
    submitted: SubmittedTask,
    *,
    me: PublicKey,
    named: Callable[[PublicKey], WorkerView],
) -> TaskSummaryView:
    """Show one task as a listing does: this attempt alone, from a few point lookups.

    Args:
        rows: The log.
        submitted: The task.
        me: Our own key.
        named: Says how an author is shown.
    """
    task_id, task = submitted.task_id, submitted.task
    judged = _judged(rows, task_id)
    text = input_text(task.input)
    kin = layout.kin_of(submitted.author, task, task.attempt + 1)
    return TaskSummaryView(
        task_id=task_id.hex(),
        text=None if text is None else text[:TEXT_SHOWN_MAX],
        task_type=task.task_type,
        submitter=named(submitted.author),
        mine=submitted.author == me,
        created_ms=submitted.created_ms,
        seats=task.seats,
        attempt=task.attempt,
        retry_of=task.retry_of.hex(),
        retried=rows.get(layout.KIN + task_id + kin) is not None,
        state=STATE_NAMES[judged.state],
        answer=answer_text(judged.answer) if judged.state is State.FINAL else None,
        cancelled=is_cancelled(rows, task_id),
    )


def write_cursor(key: bytes) -> str:
    """Name the row of the last task looked at, for whoever wants what follows."""
    return base64.urlsafe_b64encode(key[1:]).rstrip(b"=").decode()


def read_cursor(cursor: str) -> bytes:
    """Return the row a cursor names.

    Raises:
        RequestRefused: 400 if it names no place in the list.
    """
    try:
        raw = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _CURSOR_BYTES or write_cursor(layout.NEWEST + raw) != cursor:
        raise RequestRefused(400, "bad_cursor", "cursor: not one that this node gave as `next`")
    return layout.NEWEST + raw


class _Fit:
    """Answers whether a task is asked for; cheapest question first."""

    def __init__(self, rows: Rows, query: TaskQuery, *, me: PublicKey) -> None:
        self._rows = rows
        self._query = query
        self._me = me
        # One author has many tasks; a page never meets more authors than it looks through.
        self._is_called = lru_cache(maxsize=TASKS_SEARCHED_MAX)(self._called)

    def __call__(self, submitted: SubmittedTask) -> bool:
        query = self._query
        if query.mine and submitted.author != self._me:
            return False
        if query.task_type is not None and submitted.task.task_type != query.task_type:
            return False
        if query.submitter is not None and not self._is_called(submitted.author):
            return False
        if query.state is None:
            return True
        return STATE_NAMES[_judged(self._rows, submitted.task_id).state] == query.state

    def _called(self, author: PublicKey) -> bool:
        """Answer whether an author is meant: a nickname, peer id, key, or name of a listing."""
        name = self._query.submitter
        assert name is not None, "asked only then"
        return any(name == one for one in self._names(author)) or (
            len(name) >= PREFIX_DIGITS_MIN and author.hex().startswith(name.lower())
        )

    def _names(self, author: PublicKey) -> Iterator[str]:
        yield alias_of(self._rows, author)
        yield peer_id_of(author)
        yield name_of(self._rows, author)


def _judged(rows: Rows, task_id: TaskId) -> layout.Judged:
    value = rows.get(layout.JUDGED + task_id)
    return layout.UNJUDGED if value is None else layout.read_judged(value)

"""How many tasks of which type are in which state, and how long it takes until they are final.

The log holds how many are in each state, but not of which type. So its tasks are counted once, some
at a time, and each change is followed on its way into the log.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from consensus import layout
from consensus.rows import Changes, Rows
from consensus.verdict import State, SubmittedTask
from node.core.events import Now
from node.metering import OTHER, Histogram, Sample, Spread
from node.show import STATE_NAMES
from protocol.ids import PublicKey, TaskId

UNCOUNTED = "uncounted"  # the type of those that are still to be counted
COUNTED_TOGETHER_MAX = 256  # a guess: some 3 ms
# Tasks whose beginning is remembered, ours and those of others apart; a guess, some 250 bytes each.
BEGUN_MAX = 4_096
WAITS_KEPT_MAX = 4_096  # of one interval of the sampler: 800 tasks a second; beyond, the newest
FRESH_MS = 60_000  # what sync brings later than this may have been final long ago
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)

_TASK, _JUDGED = layout.TASK[0], layout.JUDGED[0]


@dataclass(slots=True)
class _Begun:
    """A piece of work, shared by all attempts at it."""

    at_ms: int
    is_final: bool = False


class TaskTally:
    """Follows the tasks of a log; told of every change before it is laid over the rows.

    Attributes:
        came: How many tasks came into the log since the start.
        became_final: How many became final since the start.
    """

    def __init__(self, me: PublicKey, types: Sequence[str]) -> None:
        """Begin with nothing counted.

        Args:
            me: Whose tasks are our own.
            types: The task types that are told apart; all others are `other`.
        """
        self._me = me
        self._types = tuple(one for one in types if one not in (OTHER, UNCOUNTED))
        self._counts: Counter[tuple[State, str]] = Counter()
        self._cursor: bytes | None = b""  # the last task that was counted; None when all were
        self._begun: dict[bool, OrderedDict[bytes, _Begun]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self.came = self.became_final = 0
        self._fresh_waits: deque[float] = deque(maxlen=WAITS_KEPT_MAX)
        self._waited = {True: Histogram(SECONDS), False: Histogram(SECONDS)}

    @property
    def is_complete(self) -> bool:
        """Answer whether every task was counted."""
        return self._cursor is None

    def forget(self) -> None:
        """Count anew: changes were made that nobody told of."""
        self._counts.clear()
        self._cursor = b""

    def count_some(self, rows: Rows, *, limit: int = COUNTED_TOGETHER_MAX) -> None:
        """Count the next few tasks of the log."""
        if self._cursor is None:
            return
        after = layout.TASK + self._cursor
        some = list(islice(rows.scan(layout.TASK, after=after), limit))
        for key, value in some:
            task_id = key[1:]
            submitted = layout.read_task(TaskId(task_id), value)
            judged = rows.get(layout.JUDGED + task_id)
            self._counts[_state_of(judged), self._type_of(submitted)] += 1
            self._cursor = task_id
        if len(some) < limit:
            self._cursor = None

    def note(self, changes: Changes, rows: Rows, now: Now) -> None:
        """Follow changes; `rows` are still without them."""
        for key, value in changes.items():
            letter = key[0]
            if letter == _TASK and value is not None:
                if rows.get(key) is None:
                    self._note_task(layout.read_task(TaskId(key[1:]), value), now)
            elif letter == _JUDGED:
                self._note_judged(key[1:], value, changes, rows, now)

    def tasks(self, in_state: Mapping[State, int]) -> Iterator[Sample]:
        """Return how many tasks there are, by state and type.

        Args:
            in_state: How many there are in each state, counted or not.
        """
        for state, count in in_state.items():
            left = count
            for name in (*self._types, OTHER):
                counted = self._counts[state, name]
                left -= counted
                yield Sample({"state": STATE_NAMES[state], "type": name}, counted)
            yield Sample({"state": STATE_NAMES[state], "type": UNCOUNTED}, max(0, left))

    def waited(self) -> list[Spread]:
        """Return how many seconds tasks took until they were final, by whose they are."""
        return [
            self._waited[is_ours].spread(submitter="self" if is_ours else OTHER)
            for is_ours in (True, False)
        ]

    def take_waits(self) -> list[float]:
        """Return how many seconds tasks took that became final since this was last asked."""
        waits = list(self._fresh_waits)
        self._fresh_waits.clear()
        return waits

    def _note_task(self, submitted: SubmittedTask, now: Now) -> None:
        self.came += 1
        if self._was_passed(submitted.task_id):
            self._counts[State.OPEN, self._type_of(submitted)] += 1
        if abs(now.wall_ms - submitted.created_ms) > FRESH_MS:
            return
        all_begun = self._begun[submitted.author == self._me]
        begun = all_begun.get(submitted.task.retry_of)
        all_begun[submitted.task_id] = _Begun(now.ms) if begun is None else begun
        if len(all_begun) > BEGUN_MAX:
            all_begun.popitem(last=False)

    def _note_judged(
        self, task_id: bytes, value: bytes | None, changes: Changes, rows: Rows, now: Now
    ) -> None:
        before, state = _state_of(rows.get(layout.JUDGED + task_id)), _state_of(value)
        if before is state:
            return
        if self._was_passed(task_id):
            row = changes.get(layout.TASK + task_id) or rows.get(layout.TASK + task_id)
            assert row is not None, "only known tasks are judged"
            name = self._type_of(layout.read_task(TaskId(task_id), row))
            self._counts[before, name] -= 1
            self._counts[state, name] += 1
        if state is State.FINAL:
            self.became_final += 1
            self._note_final(task_id, now)

    def _note_final(self, task_id: bytes, now: Now) -> None:
        for is_ours, all_begun in self._begun.items():
            begun = all_begun.pop(task_id, None)
            if begun is not None and not begun.is_final:
                begun.is_final = True
                waited_s = (now.ms - begun.at_ms) / 1_000
                self._waited[is_ours].note(waited_s)
                self._fresh_waits.append(waited_s)

    def _was_passed(self, task_id: bytes) -> bool:
        return self._cursor is None or task_id <= self._cursor

    def _type_of(self, submitted: SubmittedTask) -> str:
        name = submitted.task.task_type
        return name if name in self._types else OTHER


def _state_of(judged: bytes | None) -> State:
    return State.OPEN if judged is None else layout.read_judged(judged).state

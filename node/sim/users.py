"""The users of simulated nodes: they ask, ask again when a node died on them, and wait."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consensus import layout
from consensus.log import find_task
from consensus.rows import Changes
from consensus.verdict import State
from node.core.effects import Refuse
from node.core.events import Submit, Token
from node.sim.models import CAPABILITY
from protocol.ids import TaskId

if TYPE_CHECKING:
    from node.sim.world import World

ASK_AGAIN_MS = 2_000  # without an answer for so long, the same request is made once more
_BUSY = (429, 503)


@dataclass(slots=True)
class Order:
    """One task as its user sees it.

    Attributes:
        host: At whose node.
        request_id: Under which name; the same name is the same task.
        input_bytes: What is to be judged.
        seats: How many jurors.
        asked_ms: When it was first asked.
        task_id: What it became; None until the node says that it cannot be lost.
        refused: Why it never will.
        last_id: The last attempt at it.
        state: How far the user's node sees that attempt.
        answer: The verdict, if it is final.
        final_ms: When the user's node knew the verdict.
    """

    host: int
    request_id: str
    input_bytes: bytes
    seats: int
    asked_ms: int
    task_id: TaskId | None = None
    refused: str = ""
    last_id: TaskId | None = None
    state: State = State.OPEN
    answer: bytes = b""
    final_ms: int | None = None


class Users:
    """Everything that was asked."""

    def __init__(self, world: "World") -> None:
        self.orders: list[Order] = []
        self.by_task: dict[TaskId, Order] = {}
        self._world = world
        self._waiting: dict[Token, Order] = {}
        self._at: dict[int, int] = {}  # how many orders of a host are not final
        self._tokens = 0

    def ask(self, host: int, input_bytes: bytes, *, seats: int = 3) -> Order:
        """Ask a node for an answer."""
        request_id = f"request {len(self.orders)}"
        order = Order(host, request_id, input_bytes, seats, self._world.schedule.now_ms)
        self.orders.append(order)
        self._at[host] = self._at.get(host, 0) + 1
        self._submit(order)
        return order

    def accepted(self, token: Token, task_id: TaskId) -> None:
        """Note that a node promised not to lose a task."""
        order = self._waiting.pop(token, None)
        if order is None or order.task_id is not None:
            return
        order.task_id = order.last_id = task_id
        self.by_task[task_id] = order

    def refused(self, refusal: Refuse) -> None:
        """Note that a node said no; if it is only busy, it is asked again later."""
        order = self._waiting.pop(refusal.token, None)
        if order is not None and refusal.status not in _BUSY:
            order.refused = refusal.message
            self._at[order.host] -= 1

    def waits_at(self, host: int) -> bool:
        """Answer whether somebody waits for a verdict at a node."""
        return self._at.get(host, 0) > 0

    def note(self, host: int, changes: Changes) -> None:
        """Look for verdicts among the rows that a host writes."""
        if not self.waits_at(host):
            return
        for key, value in changes.items():
            if key[:1] == layout.JUDGED and value is not None:
                judged = layout.read_judged(value)
                self._judged(host, TaskId(key[1:]), State(judged.state), judged.answer)

    def _judged(self, host: int, task_id: TaskId, state: State, answer: bytes) -> None:
        """Note that a node's log came to a verdict on a task."""
        order = self.by_task.get(task_id) or self._tried_again(host, task_id)
        if order is None or order.host != host:
            return
        if task_id != order.last_id and (state is not State.FINAL or order.state is State.FINAL):
            return  # an earlier attempt counts only if it settles the task after all
        if order.state is State.FINAL and state in (State.SEATED, State.SPLIT):
            return  # and if it did, the later one no longer matters
        if order.state is State.FINAL and state is not State.FINAL:
            self._at[host] += 1
            order.final_ms = None
        elif state is State.FINAL and order.state is not State.FINAL:
            self._at[host] -= 1
            order.final_ms = self._world.schedule.now_ms
        order.state, order.answer = state, answer

    def _tried_again(self, host: int, task_id: TaskId) -> Order | None:
        """Return the order of which a task is the next attempt."""
        submitted = find_task(self._world.hosts[host].rows, task_id)
        order = self.by_task.get(TaskId(submitted.task.retry_of)) if submitted else None
        if order is not None and order.host == host:
            self.by_task[task_id] = order
            order.last_id = task_id
        return order

    def _submit(self, order: Order) -> None:
        if order.task_id is not None or order.refused:
            return
        world = self._world
        host = world.net.hosts[order.host]
        if host.paused_until_ms <= world.schedule.now_ms and host.machine is not None:
            self._tokens += 1
            token = Token(self._tokens)
            self._waiting[token] = order
            host.tell(Submit(order.request_id, CAPABILITY, order.input_bytes, order.seats, token))
        world.schedule.after(ASK_AGAIN_MS, self._submit, order)

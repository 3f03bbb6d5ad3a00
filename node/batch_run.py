"""Submits many tasks and follows them: in parts that a node takes at once, results in order."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from node.batch_input import Body
from node.errors import RequestRefused
from node.rpc.client import Client

PART_TASKS_MAX = 200  # of the thousand a node takes: some two seconds, so that the bar moves
PART_BYTES_MAX = 1024 * 1024  # of the four million bytes a node takes
ITEM_BYTES_MAX = 64 * 1024  # of which a node refuses not one task, but the whole part
WAIT_SECONDS = 15  # for which a node is asked to wait; it may be asked again
BUSY_SECONDS = 60.0  # without a single task taken in, until the rest is given up
BUSY_PAUSE_SECONDS = 0.5
# Refusals that another time may not meet; only those of a node that is busy are met in seconds.
BUSY_CODES = frozenset({"busy", "too_many_waits"})
LATER_CODES = BUSY_CODES | {"not_signing", "starting", "read_only", "disk_limit", "unavailable"}

Document = dict[str, Any]
Count = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one task that was submitted.

    Attributes:
        task_id: Its id; empty if it was refused.
        error: The code and the words of the refusal; None if there was none.
    """

    task_id: str
    error: Document | None = None

    @property
    def is_later(self) -> bool:
        """Whether it was refused, but not for good."""
        return self.error is not None and self.error["code"] in LATER_CODES


def submit_all(
    client: Client,
    bodies: Sequence[Body],
    *,
    count: Count,
    busy_seconds: float = BUSY_SECONDS,
) -> list[Taken]:
    """Submit every task, part by part; what a busy node refuses is asked again.

    Args:
        client: The node.
        bodies: The tasks, each with a request id.
        count: Told how many more are done with.
        busy_seconds: How long the node may take in nothing at all.
    """
    results = dict(_oversized(bodies))
    left = [n for n in range(len(bodies)) if n not in results]
    count(len(results))
    deadline = time.monotonic() + busy_seconds
    while left:
        part = _part(bodies, left)
        for index, taken in zip(part, _submit(client, [bodies[n] for n in part]), strict=True):
            results[index] = taken
        busy = [n for n in part if (results[n].error or {}).get("code") in BUSY_CODES]
        count(len(part) - len(busy))
        left = busy + left[len(part) :]
        if len(busy) < len(part):
            deadline = time.monotonic() + busy_seconds
        elif time.monotonic() >= deadline:
            break
        if busy:
            time.sleep(BUSY_PAUSE_SECONDS)
    refused = Taken("", {"code": "busy", "message": "the node took in nothing for a while"})
    return [results.get(n, refused) for n in range(len(bodies))]


def settled_in_order(
    client: Client, taken: Sequence[Taken], *, deadline: float
) -> Iterator[Document | None]:
    """Return each task once it is settled, or as it is at the deadline; None for a refused one."""
    for one in taken:
        yield wait_until_settled(client, one.task_id, deadline=deadline) if one.task_id else None


def wait_until_settled(
    client: Client,
    task_id: str,
    *,
    deadline: float,
    tell: Callable[[Document], None] | None = None,
    wait_s: int = WAIT_SECONDS,
) -> Document:
    """Return a task once nothing more is to be expected of it, or as it is at the deadline.

    Args:
        client: The node.
        task_id: The task.
        deadline: On the monotonic clock, in seconds.
        tell: Shown the task whenever the node was asked in vain.
        wait_s: For how long a node is asked at once.
    """
    while True:
        left = deadline - time.monotonic()
        found = _ask(client, task_id, wait_s=max(0, min(int(left), wait_s)))
        if found["settled"] or left <= 0:
            return found
        if tell is not None:
            tell(found)
        if left < 1:
            time.sleep(max(0.0, deadline - time.monotonic()))


def _ask(client: Client, task_id: str, *, wait_s: int) -> Document:
    try:
        found: Document = client.task(task_id, wait_s=wait_s)
    except RequestRefused as refusal:
        if refusal.code not in BUSY_CODES:
            raise
        time.sleep(min(BUSY_PAUSE_SECONDS, wait_s))
        found = client.task(task_id)
    return found


def _oversized(bodies: Sequence[Body]) -> Iterator[tuple[int, Taken]]:
    for number, body in enumerate(bodies):
        size = len(json.dumps(body))
        if size > ITEM_BYTES_MAX:
            message = f"{size} bytes, at most {ITEM_BYTES_MAX}"
            yield number, Taken("", {"code": "item_too_large", "message": message})


def _part(bodies: Sequence[Body], left: Sequence[int]) -> list[int]:
    part: list[int] = []
    size = 0
    for index in left[:PART_TASKS_MAX]:
        size += len(json.dumps(bodies[index])) + 2
        if part and size > PART_BYTES_MAX:
            break
        part.append(index)
    return part


def _submit(client: Client, part: list[Body]) -> list[Taken]:
    try:
        answers = client.submit_batch(part)
    except RequestRefused as refusal:
        if refusal.code not in BUSY_CODES:
            raise
        answers = [{"error": {"code": refusal.code, "message": str(refusal)}}] * len(part)
    return [Taken(one.get("task_id", ""), one.get("error")) for one in answers]

"""How two nodes differ, as their user sees it."""

from dataclasses import dataclass
from typing import Protocol

from node.views import TaskState, WorkerView


@dataclass(frozen=True, slots=True)
class LoneRecordView:
    """A record that one side lacks.

    Attributes:
        record_id: 64 hex digits.
        author: Who signed it; None if the peer named it and did not send it.
        created_ms: The author's clock, Unix milliseconds; None alike.
        kinds: What it says: `profile`, `task`, `commit`, `jury` or `reveal`.
        task_ids: The first tasks it is about, 64 hex digits each.
    """

    record_id: str
    author: WorkerView | None
    created_ms: int | None
    kinds: tuple[str, ...]
    task_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoneTaskView:
    """A task about which one side lacks records.

    Attributes:
        task_id: 64 hex digits.
        state: How far it has come as this node sees it; None if it does not know the task.
        only_here: How many of the named records about it the peer lacks.
        only_there: How many of them this node lacks.
    """

    task_id: str
    state: TaskState | None
    only_here: int
    only_there: int


@dataclass(frozen=True, slots=True)
class DiffView:
    """How the log and the state of a peer differ from ours.

    Attributes:
        peer: Whose they are.
        state_digest: Ours, 64 hex digits.
        peer_state_digest: What the peer says is its own.
        same_state: Whether they are equal.
        records: How many records our log holds.
        peer_records: How many the peer says it holds.
        complete: Whether the whole logs were compared; else there may be more than is counted.
        only_here_count: How many records the peer lacks.
        only_there_count: How many it says it has and we lack.
        only_here: The first of them.
        only_there: The first of those, read from the peer and not stored.
        tasks: The first tasks that these records are about.
        verdict: `equal`, `on_their_way`, `differ`, or `digests_differ` where the logs are equal.
        because: The same in words.
    """

    peer: WorkerView
    state_digest: str
    peer_state_digest: str
    same_state: bool
    records: int
    peer_records: int
    complete: bool
    only_here_count: int
    only_there_count: int
    only_here: tuple[LoneRecordView, ...]
    only_there: tuple[LoneRecordView, ...]
    tasks: tuple[LoneTaskView, ...]
    verdict: str
    because: tuple[str, ...]


class Differ(Protocol):
    """Compares this node with a peer; nothing is moved into either log."""

    async def diff(self, peer: str) -> DiffView:
        """Say how a connected peer's log and state differ from ours.

        Args:
            peer: By nickname, peer id, key, or as listings show it.

        Raises:
            RequestRefused: 404 if no such peer is connected, 409 if the name fits several, 502 if
                it gave no usable answer, 503 if a sync goes on for too long.
        """
        ...

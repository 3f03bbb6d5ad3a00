"""What two logs differ in, from what was found of it: tasks, records, and what that means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from consensus.log import find_verdict, record_count, state_digest
from consensus.rows import Rows
from node.explain.diff_views import DiffView, LoneRecordView, LoneTaskView
from node.explain.record import task_named
from node.explain.words import name_of
from node.names import worker_view
from node.show import STATE_NAMES
from protocol.ids import Digest, PublicKey, RecordId, TaskId
from protocol.record import Record

NAMED_MAX = 20  # records each way, and tasks: what a person reads
TASKS_OF_RECORD_MAX = 8  # named beside one record, which may be about 256
YOUNG_MS = 15_000  # gossip takes a second, and what it loses a sync brings in some ten


@dataclass(frozen=True, slots=True)
class Lone:
    """Records that one side has and the other lacks.

    Attributes:
        count: How many, as far as is known.
        records: Those that were looked at; None for one that could not be read.
    """

    count: int
    records: Mapping[RecordId, Record | None]

    def are_young(self, wall_ms: int) -> bool:
        """Answer whether all of them were made a moment ago, by their authors' clocks."""
        dates = [one.created_ms for one in self.records.values() if one is not None]
        return len(dates) == self.count and all(wall_ms - date <= YOUNG_MS for date in dates)

    def by_date(self) -> list[tuple[RecordId, Record | None]]:
        """Return them oldest first, those that could not be read last."""
        return sorted(self.records.items(), key=_by_date)


def diff_view(
    rows: Rows,
    peer: PublicKey,
    *,
    here: Lone,
    there: Lone,
    is_complete: bool,
    digest: Digest,
    records: int,
    wall_ms: int,
) -> DiffView:
    """Say how a peer differs from us.

    Args:
        rows: Our log.
        peer: Whose log was compared with it.
        here: What the peer lacks.
        there: What we lack.
        is_complete: Whether the whole logs were compared.
        digest: The peer's state digest, as it says.
        records: How many records it holds, as it says.
        wall_ms: This moment, by the Unix clock.
    """
    ours, our_records = state_digest(rows), record_count(rows)
    same_state = ours == digest
    is_equal = is_complete and not here.count and not there.count
    if is_equal and our_records == records:
        verdict = "equal" if same_state else "digests_differ"
    elif is_equal or (is_complete and here.are_young(wall_ms) and there.are_young(wall_ms)):
        verdict = "on_their_way"
    else:
        verdict = "differ"
    return DiffView(
        peer=worker_view(rows, peer),
        state_digest=ours.hex(),
        peer_state_digest=digest.hex(),
        same_state=same_state,
        records=our_records,
        peer_records=records,
        complete=is_complete,
        only_here_count=here.count,
        only_there_count=there.count,
        only_here=tuple(_records(rows, here)),
        only_there=tuple(_records(rows, there)),
        tasks=tuple(_tasks(rows, here, there)),
        verdict=verdict,
        because=tuple(
            _words(name_of(rows, peer), verdict, here, there, is_complete, same_state=same_state)
        ),
    )


def _words(
    peer: str, verdict: str, here: Lone, there: Lone, is_complete: bool, *, same_state: bool
) -> Iterator[str]:
    if verdict == "equal":
        yield f"{peer} holds the same records and computes the same state"
        return
    if verdict == "digests_differ":
        yield f"{peer} holds the same records and computes another state"
        yield "one of the two computes wrongly, runs another version, or has damage on its disk"
        yield "`aimarket-node verify` tells whether it is this node, once that is stopped"
        return
    if here.count or there.count:
        least = "" if is_complete else "at least "
        lacks = f"{peer} lacks {least}{_count(here.count)}"
        yield f"{lacks}, this node lacks {least}{_count(there.count)}"
    if verdict == "on_their_way":
        young = f"only records of the last {YOUNG_MS // 1_000} s differ"
        moved = "records came while the logs were compared"
        yield f"{young if here.count or there.count else moved}: they are still on their way"
        yield "ask again in a moment"
    elif not is_complete:
        yield "the logs are far apart, and a part of them was compared; a sync moves the rest"
    else:
        yield "a sync with it moves them both ways; `aimarket sync` waits for that"
    unread = sum(one is None for one in there.records.values())
    if unread:
        yield f"{unread} of the records it named it did not send"
    if verdict == "differ" and same_state:
        yield "the states are equal all the same: nothing that differs decides anything"


def _records(rows: Rows, lone: Lone) -> Iterator[LoneRecordView]:
    for record_id, record in lone.by_date()[:NAMED_MAX]:
        if record is None:
            yield LoneRecordView(record_id.hex(), None, None, (), ())
            continue
        kinds = [type(said).__name__.lower() for said in record.statements]
        yield LoneRecordView(
            record_id=record_id.hex(),
            author=worker_view(rows, record.author),
            created_ms=record.created_ms,
            kinds=tuple(dict.fromkeys(kinds)),
            task_ids=tuple(one.hex() for one in _tasks_of(record)[:TASKS_OF_RECORD_MAX]),
        )


def _tasks(rows: Rows, here: Lone, there: Lone) -> Iterator[LoneTaskView]:
    """Walk the tasks that lone records are about, by the oldest record of each."""
    counts: dict[TaskId, list[int]] = {}
    sides = [(*one, 0) for one in here.by_date()] + [(*one, 1) for one in there.by_date()]
    for _, record, side in sorted(sides, key=lambda one: _by_date(one[:2])):
        for task_id in () if record is None else _tasks_of(record):
            counts.setdefault(task_id, [0, 0])[side] += 1
    for task_id, (only_here, only_there) in list(counts.items())[:NAMED_MAX]:
        verdict = find_verdict(rows, task_id)
        state = None if verdict is None else STATE_NAMES[verdict.state]
        yield LoneTaskView(task_id.hex(), state, only_here, only_there)


def _tasks_of(record: Record) -> list[TaskId]:
    """Return the tasks a record is about, each once."""
    named = (task_named(said, record.author, record.network_id) for said in record.statements)
    return list(dict.fromkeys(one for one in named if one is not None))


def _by_date(one: tuple[RecordId, Record | None]) -> tuple[bool, int, bytes]:
    record_id, record = one
    return record is None, 0 if record is None else record.created_ms, record_id


def _count(records: int) -> str:
    return "1 record" if records == 1 else f"{records} records"

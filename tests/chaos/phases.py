"""In which phases of a task a node was killed, read from what it left on its disk.

asked     it had signed a task that had no jury yet
sealed    it had signed a commit for a task that had no jury yet
seated    it had signed a jury, or was seated by one and had not opened its answer
opened    it had opened its answer for a task that was not final yet
settled   none of these
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from consensus.replay import replay
from consensus.verdict import State, SubmittedTask, Verdict
from protocol.ids import TaskId
from protocol.params import Network
from protocol.record import Verified
from protocol.statements import Commit, Reveal
from tests.chaos.oracle import Remains

PHASES = ("asked", "sealed", "seated", "opened", "settled")


@dataclass(frozen=True, slots=True)
class Death:
    """How a node was found.

    Attributes:
        tasks: How many tasks it left in each phase; `settled` is 1 if there are no others.
        unwritten: How many records its journal had and its database had not.
        torn: Whether the journal's last write was cut short.
    """

    tasks: Mapping[str, int]
    unwritten: int
    torn: bool


def death_of(left: Remains, network: Network) -> Death:
    """Say in which phases a killed node left the tasks that were its concern."""
    signed = left.journaled(network)
    known = {**left.records, **{record.record_id: record for record in signed}}
    market = replay(known.values(), network)
    committed = _named(signed, Commit)
    revealed = _named(signed, Reveal)
    found: Counter[str] = Counter()
    for task_id, verdict in market.verdicts.items():
        phase = _phase(left, market.tasks[task_id], verdict, committed, revealed)
        if phase:
            found[phase] += 1
    return Death(
        tasks=found or Counter(settled=1),
        unwritten=sum(record.record_id not in left.records for record in signed),
        torn=left.torn,
    )


def _phase(
    left: Remains,
    task: SubmittedTask,
    verdict: Verdict,
    committed: set[TaskId],
    revealed: set[TaskId],
) -> str:
    me, task_id = left.public_key, task.task_id
    is_open, is_seated = verdict.state is State.OPEN, verdict.state is State.SEATED
    if task.author == me:
        return "asked" if is_open else "seated" if is_seated else ""
    if is_open and task_id in committed:
        return "sealed"
    if is_seated and task_id in revealed:
        return "opened"
    if is_seated and any(vote.juror == me for vote in verdict.votes):
        return "seated"
    return ""


def _named(records: list[Verified], kind: type[Commit] | type[Reveal]) -> set[TaskId]:
    return {
        said.task_id for record in records for said in record.statements if isinstance(said, kind)
    }

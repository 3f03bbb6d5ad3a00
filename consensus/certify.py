"""Writing a certificate out of a log: equal logs write the same one, byte for byte.

The rows know what was said, and not which record of a juror says it: `consensus.story` finds those.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from consensus.certificate import (
    ATTEMPTS_MAX,
    RECORDS_MAX,
    Certificate,
    Need,
    claim_of,
    needs_met,
    needs_of,
)
from consensus.log import RowEvidence, chain_of, find_record, find_task
from consensus.rows import Rows
from consensus.story import Story
from consensus.verdict import SubmittedTask
from protocol.errors import MarketError
from protocol.ids import RecordId, TaskId
from protocol.params import Network
from protocol.record import Record, decode_record


class TooMuch(MarketError):
    """The chain is longer, or rests on more records, than a certificate may hold."""


class RecordsLacking(MarketError):
    """Some records that the claim rests on are not among those given."""


def stories_of(rows: Rows, task_id: TaskId, network: Network) -> list[Story]:
    """Begin the stories of a whole chain, oldest attempt first; none if the task is unknown."""
    chain = _chain(rows, task_id)
    return [Story(rows, task, network, for_proof=True) for task in chain]


def found_by(stories: Iterable[Story]) -> set[RecordId]:
    """Return the records that were found so far."""
    told = (said.record_id for story in stories for said in story.told())
    return {record_id for record_id in told if record_id is not None}


def certify(
    rows: Rows, task_id: TaskId, network: Network, record_ids: Iterable[RecordId]
) -> Certificate:
    """Prove the chain that a known task belongs to.

    Args:
        rows: The log.
        task_id: Any attempt of the chain.
        network: What the records are signed for.
        record_ids: Where to look; no more of these records are taken than it needs.

    Raises:
        TooMuch: A certificate may not hold so many attempts or records.
        RecordsLacking: Something that the claim rests on is in none of these records.
    """
    chain = _chain(rows, task_id)
    if len(chain) > ATTEMPTS_MAX:
        raise TooMuch(f"more than {ATTEMPTS_MAX} attempts of one task")
    evidence = RowEvidence(rows)
    needs = needs_of(chain, evidence)
    records = _needed(_read(rows, record_ids, network), needs)
    left = needs.difference(*[needs_met(record, needs) for record in records])
    if left:
        lacking = min(left)
        what = f"the {lacking.kind.name.lower()} of {lacking.author.hex()}"
        raise RecordsLacking(f"{what} for task {lacking.task_id.hex()}")
    if len(records) > RECORDS_MAX:
        raise TooMuch(f"{len(records)} records, a certificate holds at most {RECORDS_MAX}")
    raws = tuple([record.raw for record in records])
    return Certificate(network, chain[0].task_id, claim_of(chain, evidence), raws)


def _chain(rows: Rows, task_id: TaskId) -> tuple[SubmittedTask, ...]:
    found = (find_task(rows, one) for one in chain_of(rows, task_id))
    return tuple([task for task in found if task is not None])


def _read(rows: Rows, record_ids: Iterable[RecordId], network: Network) -> Iterator[Record]:
    """Walk the records that are still in the log, ascending by id."""
    for record_id in sorted(record_ids):
        raw = find_record(rows, record_id)
        if raw is not None:
            yield decode_record(raw, network)


def _needed(records: Iterable[Record], needs: set[Need]) -> list[Record]:
    """Return records each of which alone says something needed; larger ids are left out first."""
    said = [(record, needs_met(record, needs)) for record in records]
    times = Counter(need for _, met in said for need in met)
    kept: list[Record] = []
    for record, met in reversed(said):
        if any(times[need] == 1 for need in met):
            kept.append(record)
        else:
            times.subtract(met)
    return kept[::-1]

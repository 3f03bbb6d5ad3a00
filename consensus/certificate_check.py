"""Holding a certificate against its own records, with no log and no trust in whoever wrote it.

Every record is opened, these records alone are replayed by the specification, and the claim must be
what they come to. This tells that something is there, never that nothing else is.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from itertools import islice

from consensus.certificate import (
    ATTEMPTS_MAX,
    RECORDS_MAX,
    Certificate,
    Need,
    Opened,
    claim_of,
    needs_met,
    needs_of,
)
from consensus.log import CHAIN_MAX
from consensus.replay import Heard, hear, kept_of
from consensus.verdict import State, SubmittedTask, is_retry
from protocol.errors import MarketError, ProtocolError
from protocol.ids import TaskId, short
from protocol.params import Network, network_of
from protocol.record import Verified, open_record

BYTES_SHOWN_MAX = 32  # of a value that is wrong: a whole id


class NotProven(MarketError):
    """The records do not come to what is claimed."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A certificate that was found right.

    Attributes:
        certificate: What was checked.
        tasks: The attempts as they were submitted, in the order of the claim.
    """

    certificate: Certificate
    tasks: tuple[SubmittedTask, ...]


def check(certificate: Certificate) -> Proof:
    """Say what a certificate proves.

    Raises:
        NotProven: What is wrong and where, in one line.
    """
    network = network_of(certificate.network.params)
    if network.network_id != certificate.network.network_id:
        told = f"the parameters come to {network.network_id.hex()}"
        raise NotProven(f"network.id: {certificate.network.network_id.hex()}, but {told}")
    records = _open_all(certificate.records, network)
    heard = hear(records, network)
    task = heard.tasks.get(certificate.task_id)
    if task is None:
        raise NotProven(f"task_id: no record submits task {certificate.task_id.hex()}")
    first = _first_of(task, heard)
    if first.task_id != task.task_id:
        told = f"attempt {task.task.attempt} of a chain that begins with {first.task_id.hex()}"
        raise NotProven(f"task_id: {task.task_id.hex()} is {told}")
    chain = _chain_of(first, heard)
    if len(chain) > ATTEMPTS_MAX:
        raise NotProven(f"records: more than {ATTEMPTS_MAX} attempts of one task")
    claimed, proven = certificate.claim, claim_of(chain, heard)
    wrong = list(islice(_differences("claim.attempts", claimed.attempts, proven.attempts), 1))
    wrong = wrong or list(islice(_differences("claim", claimed, proven), 1))
    needs = needs_of(chain, heard)
    wrong += islice(_superfluous(records, needs), 1)
    if wrong:
        raise NotProven("; ".join(wrong))
    return Proof(certificate, chain)


def _open_all(raws: Sequence[bytes], network: Network) -> list[Verified]:
    """Open every record; they must be what a log can hold, in order."""
    if not 1 <= len(raws) <= RECORDS_MAX:
        raise NotProven(f"records: {len(raws)} of them, need 1 to {RECORDS_MAX}")
    records: list[Verified] = []
    for number, raw in enumerate(raws):
        try:
            record = open_record(raw, network)
        except ProtocolError as error:
            raise NotProven(f"records[{number}]: {error}") from error
        if record.presence is not None:
            raise NotProven(f"{_name(number, record)}: a presence, which no log holds")
        if records and record.record_id == records[-1].record_id:
            raise NotProven(f"{_name(number, record)}: the same as the one before it")
        if records and record.record_id < records[-1].record_id:
            before = short(records[-1].record_id)
            raise NotProven(f"{_name(number, record)}: comes after {before}, need ascending ids")
        records.append(record)
    kept = {record.record_id for record in kept_of(records)}
    for number, record in enumerate(records):
        if record.record_id not in kept:
            raise NotProven(f"{_name(number, record)}: a jury that no log keeps beside the others")
    return records


def _first_of(task: SubmittedTask, heard: Heard) -> SubmittedTask:
    while task.task.retry_of:  # ends: the attempt falls by one at each step
        parent = heard.tasks.get(TaskId(task.task.retry_of))
        if parent is None or not is_retry(task, parent):
            break
        task = parent
    return task


def _chain_of(first: SubmittedTask, heard: Heard) -> tuple[SubmittedTask, ...]:
    """Return all attempts, as `consensus.log.chain_of` lists them."""
    chain: list[SubmittedTask] = []
    attempt = [first]
    while attempt and len(chain) < CHAIN_MAX:
        chain += attempt
        children = (child for parent in attempt for child in _retries_of(parent, heard))
        attempt = sorted(islice(children, CHAIN_MAX), key=lambda task: task.task_id)
    return tuple(chain[:CHAIN_MAX])


def _retries_of(parent: SubmittedTask, heard: Heard) -> list[SubmittedTask]:
    found = [one for one in heard.retries.get(parent.task_id, ()) if is_retry(one, parent)]
    return sorted(found, key=lambda task: task.task_id)[:CHAIN_MAX]


def _differences(path: str, claimed: object, proven: object) -> Iterator[str]:
    """Walk what is claimed and does not follow, each with its path in the certificate."""
    if claimed == proven:
        return
    if isinstance(claimed, tuple) and isinstance(proven, tuple):
        if len(claimed) == len(proven):
            for number, (one, other) in enumerate(zip(claimed, proven, strict=True)):
                yield from _differences(f"{path}[{number}]", one, other)
            return
        claimed, proven = len(claimed), len(proven)
    elif is_dataclass(claimed) and type(claimed) is type(proven):
        for field in fields(claimed):
            name = field.name
            yield from _differences(f"{path}.{name}", getattr(claimed, name), getattr(proven, name))
        return
    why = _WHY.get((path.rpartition(".")[2], proven), "")
    yield f"{path}: {_shown(claimed)} is claimed, the records say {_shown(proven)}{why}"


_WHY: dict[tuple[str, object], str] = {
    ("state", State.OPEN): ": no jury of the submitter is among them",
    ("state", State.SEATED): ": too few reveals among them open equal answers",
    ("state", State.VOID): ": two juries are among them, or one of a wrong size",
    ("committed", False): ": no commit of that juror's own is among them",
    ("opened", None): ": no reveal among them opens the commitment",
}


def _superfluous(records: Sequence[Verified], needs: set[Need]) -> Iterator[str]:
    """Walk the records that say nothing needed that the others do not say."""
    said = [needs_met(record, needs) for record in records]
    times = Counter(need for met in said for need in met)
    for number, (record, met) in enumerate(zip(records, said, strict=True)):
        if not any(times[need] == 1 for need in met):
            kinds = sorted({type(one).__name__.lower() for one in record.statements})
            why = "says only what others say" if met else "says nothing that counts"
            yield f"{_name(number, record)}: {why} ({', '.join(kinds)})"


def _name(number: int, record: Verified) -> str:
    return f"records[{number}] {short(record.record_id)}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        text = value[:BYTES_SHOWN_MAX].hex()
        return f'"{text}"' if len(value) <= BYTES_SHOWN_MAX else f'"{text}..."'
    if isinstance(value, Opened):
        return f"the {'error' if value.error else 'answer'} {_shown(value.value)}"
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else "something else"

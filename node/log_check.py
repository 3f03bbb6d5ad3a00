"""Holding the file of a log against its own records: every signature, and what they come to."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from consensus.replay import replay
from consensus.verdict import State
from node.errors import UsageError
from node.log_file import Header, LogReader
from protocol.errors import MarketError, ProtocolError
from protocol.ids import Digest, short
from protocol.params import Network
from protocol.record import Verified, open_record

# All are held at once while they are counted. Measured: 1.3 KiB each where inputs are short.
RECORDS_MAX = 1_000_000
BYTES_MAX = 2 * 1024**3
RECORDS_BETWEEN = 1_000  # two tellings of progress

# Told how many records were looked at, and how many there are.
Progress = Callable[[int, int], None]


class LogWrong(MarketError):
    """The records are not a log, or do not come to what the file says."""


@dataclass(frozen=True, slots=True)
class LogReport:
    """What the records of a file come to.

    Attributes:
        network: Whose records they are.
        records: How many.
        tasks: How many known tasks are in each state.
        state_digest: Over all verdicts and scores.
    """

    network: Network
    records: int
    tasks: dict[State, int]
    state_digest: Digest


def check_log(stream: IO[bytes], progress: Progress = lambda done, total: None) -> LogReport:
    """Open every record of a file, tell the whole story of them, and count.

    Raises:
        UsageError: It is not such a file, was cut or changed, or is too large to be counted.
        LogWrong: A record is wrong, out of order or none that a log keeps, or all of them come to
            another state.
    """
    reader = LogReader(stream)
    header = reader.header
    if header.records > RECORDS_MAX:
        raise UsageError(f"the file: {header.records} records, at most {RECORDS_MAX} are counted")
    records = list(_opened(reader, header, progress))
    state = replay(records, header.network)
    if len(state.kept) != len(records):
        kept = set(state.kept)
        number, record = next(
            (n, one) for n, one in enumerate(records) if one.record_id not in kept
        )
        raise LogWrong(f"{_name(number, record)}: a jury that no log keeps beside the others")
    if state.digest != header.state_digest:
        told = f"its records come to {state.digest.hex()}"
        raise LogWrong(f"state_digest: {header.state_digest.hex()}, but {told}")
    counts = Counter(verdict.state for verdict in state.verdicts.values())
    tasks = {one: counts[one] for one in State}
    return LogReport(header.network, len(records), tasks, state.digest)


def _opened(reader: LogReader, header: Header, progress: Progress) -> Iterator[Verified]:
    last, size = (-1, b""), 0
    for number, raw in enumerate(reader):
        size += len(raw)
        if size > BYTES_MAX:
            raise UsageError(f"the file: more than {BYTES_MAX} bytes of records, the most counted")
        try:
            record = open_record(raw, header.network)
        except ProtocolError as error:
            raise LogWrong(f"record {number}: {error}") from error
        if record.presence is not None:
            raise LogWrong(f"{_name(number, record)}: a presence, which no log holds")
        place = (record.created_ms, record.record_id)
        if place <= last:
            need = "need ascending (created_ms, id)"
            raise LogWrong(f"{_name(number, record)}: is not above the one before it, {need}")
        last = place
        if number % RECORDS_BETWEEN == 0:
            progress(number, header.records)
        yield record
    progress(header.records, header.records)


def _name(number: int, record: Verified) -> str:
    return f"record {number} {short(record.record_id)}"

"""Looking at a store from outside: everything is read, proven and counted anew, nothing changed.

Each record is held against its key and its signature, then every other row against what follows
from the records. The journal is held against the records and against the rows that mirror it.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from consensus import layout
from consensus.incremental import would_keep
from consensus.log import find_record, find_task, has_record
from consensus.recount import Nothing, recount
from consensus.rows import Changes, Draft, Rows
from node.core.own import cancellation, cancelled, entry_changes, read_entry
from protocol.errors import ProtocolError
from protocol.ids import PublicKey, RecordId
from protocol.params import Network
from protocol.record import Verified, decode_record, open_record, verify

CHECKS_AT_ONCE_MAX = 2  # libsodium lets go of the interpreter lock; two threads keep two cores busy
RECORDS_TOGETHER = 256  # opened by a thread at a time; a guess
FINDINGS_MAX = 20  # told in full
OWN_LETTERS = range(0x61)  # a node's own rows begin with anything below a lower-case letter
NAMES = {
    layout.RECORD: "record",
    layout.ORDER: "order row",
    layout.RANGE_SUM: "range sum",
    layout.TASK: "task",
    layout.NEWEST: "listing of a task",
    layout.UNDECIDED: "note of an undecided task",
    layout.COMMIT: "commit",
    layout.JURY: "jury",
    layout.OPENING: "opening",
    layout.KIN: "note of a retry",
    layout.CHILD: "retry",
    layout.JUDGED: "verdict",
    layout.PAIR: "counters of a pair",
    layout.FAULT: "faults of a submitter",
    layout.PROFILE: "profile",
    layout.TOTALS: "totals and state digest",
}

# Told what is being looked at, how much of it was, and how much there is.
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Report:
    """What was looked at, and what was wrong.

    Attributes:
        checked: How many of each kind were found to be right or wrong.
        findings: What is wrong, a line each; the first `FINDINGS_MAX`.
        more: How many further findings there are.
        notes: What is unusual but not wrong, a line each.
    """

    checked: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    more: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        """Answer whether nothing was found."""
        return not self.findings

    def find(self, line: str) -> None:
        """Add a finding."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(line)
        else:
            self.more += 1


def verify_store(
    rows: Rows,
    entries: Iterable[bytes],
    *,
    network: Network,
    public_key: PublicKey,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Read a whole store.

    Args:
        rows: The log.
        entries: The journal, oldest first.
        network: Whose records they are.
        public_key: Whose journal it is.
        progress: Told how far this is.

    Raises:
        StoreDamaged: Something cannot be read at all.
    """
    report = Report()
    records = _read_records(rows, network, report, progress)
    report.checked["records"] = len(records)
    # What the rows themselves say may be wrong, so it is never asked, only compared.
    recounted = Draft(Nothing())
    for number, (letter, told) in enumerate(recount(records, network), start=1):
        if letter in (layout.RECORD, layout.JURY, layout.TASK):
            recounted.update(dict(told))
        _compare(rows, letter, told, report)
        progress("kinds of rows", number, len(NAMES))
    for letter in (bytes([one]) for one in range(OWN_LETTERS.stop, 256)):
        if letter not in NAMES:
            for key, _ in islice(rows.scan(letter), 1):
                report.find(f"a row of no known kind: {key.hex()}")
    own = {record.record_id for record in records if record.author == public_key}
    mirror = _check_journal(rows, recounted, entries, network, public_key, own, report)
    for task_id in cancelled(rows):
        task = find_task(recounted, task_id)
        if task is not None and task.author == public_key:
            mirror |= _written(cancellation(task_id))
    _check_mirror(rows, mirror, report)
    return report


def _read_records(
    rows: Rows, network: Network, report: Report, progress: Progress
) -> list[Verified]:
    """Open every record, in a few threads; leave out those that are not what their key says."""
    good: list[Verified] = []
    seen, total = 0, sum(1 for _ in rows.scan(layout.ORDER))

    def take(batch: "Future[list[Verified | str]]") -> None:
        nonlocal seen
        opened = batch.result()
        for one in opened:
            if isinstance(one, str):
                report.find(one)
            else:
                good.append(one)
        seen += len(opened)
        progress("records", seen, max(total, seen))

    waiting: list[Future[list[Verified | str]]] = []
    with ThreadPoolExecutor(CHECKS_AT_ONCE_MAX) as threads:
        records = rows.scan(layout.RECORD)
        while some := list(islice(records, RECORDS_TOGETHER)):
            waiting.append(threads.submit(_open_all, some, network))
            if len(waiting) > 2 * CHECKS_AT_ONCE_MAX:
                take(waiting.pop(0))
        for batch in waiting:
            take(batch)
    return good


def _open_all(some: list[tuple[bytes, bytes]], network: Network) -> list[Verified | str]:
    return [_open(key, raw, network) for key, raw in some]


def _open(key: bytes, raw: bytes, network: Network) -> Verified | str:
    name = f"record {key[1:].hex()}"
    try:
        record = decode_record(raw, network)
        if record.record_id != key[1:]:
            return f"{name}: what is there is record {record.record_id.hex()}"
        if record.presence is not None:
            return f"{name}: a presence, which is never stored"
        return verify(record)
    except ProtocolError as error:
        return f"{name}: {error}"


def _compare(rows: Rows, letter: bytes, told: dict[bytes, bytes], report: Report) -> None:
    """Hold the rows of one kind against those that follow from the records."""
    name, count = NAMES[letter], 0
    for key, value in rows.scan(letter):
        count += 1
        expected = told.pop(key, None)
        if expected == value:
            continue
        where = f"{name} {key[1:].hex()}".rstrip()
        if expected is None:
            report.find(f"{where}: follows from no record")
        else:
            report.find(f"{where}: is {_shown(value)}, the records say {_shown(expected)}")
    for key in told:
        report.find(f"{name} {key[1:].hex()}".rstrip() + ": is missing")
    report.checked["rows"] = report.checked.get("rows", 0) + count


def _check_journal(
    rows: Rows,
    recounted: Rows,
    entries: Iterable[bytes],
    network: Network,
    public_key: PublicKey,
    own: set[RecordId],
    report: Report,
) -> dict[bytes, bytes]:
    """Hold each entry against the log, and our records against the journal.

    Returns:
        The rows that mirror the journal.
    """
    mirror: dict[bytes, bytes] = {}
    late = count = 0
    for number, data in enumerate(entries):
        count += 1
        try:
            entry = read_entry(data, network.params)
            record = open_record(entry.record, network)
        except ProtocolError as error:
            report.find(f"journal entry {number}: {error}")
            continue
        if record.author != public_key:
            report.find(f"journal entry {number}: signed by {record.author.hex()}, not by us")
        own.discard(record.record_id)
        changes = _written(entry_changes(entry, record.record_id))
        mirror |= changes
        # The journal is written first, so a node that was killed has its end there alone.
        is_there = has_record(rows, record.record_id)
        if not is_there and would_keep(recounted, record, network):
            late += 1
            continue
        if late:
            report.find(f"journal entry {number - late}: its record is missing, later ones are not")
            late = 0
        if is_there and find_record(rows, record.record_id) != record.raw:
            report.find(f"journal entry {number}: its record is another one in the log")
        for key, value in changes.items():
            if rows.get(key) != value:
                report.find(f"journal entry {number}: slot {key.hex()} is not marked")
    if late:
        report.notes.append(f"the last {late} journal entries go into the log at the next start")
    for record_id in sorted(own):
        report.find(f"record {record_id.hex()}: signed by this key, but the journal lacks it")
    report.checked["journal entries"] = count
    return mirror


def _check_mirror(rows: Rows, mirror: dict[bytes, bytes], report: Report) -> None:
    """Find rows of our own that speak of nothing we said or gave up."""
    count = 0
    for letter in OWN_LETTERS:
        for key, value in rows.scan(bytes([letter])):
            count += 1
            if mirror.get(key) != value:
                report.find(f"own row {key.hex()}: the journal does not say so")
    report.checked["own rows"] = count


def _written(changes: Changes) -> dict[bytes, bytes]:
    return {key: value for key, value in changes.items() if value is not None}


def _shown(value: bytes) -> str:
    text = value.hex()
    return text if len(text) <= 80 else f"{text[:64]}... of {len(value)} bytes"

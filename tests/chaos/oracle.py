"""What must be true of any nodes that were troubled and then left in peace, whatever the trouble.

Nodes are judged by what they left on their disks, read from a copy, so that looking at a node that
was killed mends nothing before it is started again.
"""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from consensus.log import find_record, record_ids, state_digest
from consensus.replay import replay
from node.core.own import Entry, read_entry
from node.keys import load_key
from node.store.open import open_store
from protocol.ids import Digest, PublicKey, RecordId
from protocol.params import Network
from protocol.record import Verified, open_record
from protocol.sealing import task_id_of
from protocol.statements import Commit, Jury, Profile, Reveal, Statement, Task
from tests.loopback.nodes import RealNode

# Counted only when a peer sent what no correct node sends.
BLAME = ("gossip_rejected", "gossip_frames_bad", "gossip_wrong_size", "peers_banned")
OF_A_PROCESS = ("lock", "LOCK", "rpc.json")  # what a copy of a directory must not bring along


@dataclass(frozen=True, slots=True)
class Remains:
    """What a node that does not run has on its disk.

    Attributes:
        name: Its nickname.
        public_key: Its key.
        records: Its log as the database has it, each record checked anew.
        entries: Its signing journal, oldest first.
        digest: Its state digest, as the database has it.
        torn: Whether the last write of the journal was cut short.
    """

    name: str
    public_key: PublicKey
    records: dict[RecordId, Verified]
    entries: tuple[Entry, ...]
    digest: Digest
    torn: bool

    def journaled(self, network: Network) -> list[Verified]:
        """Return what its key signed, oldest first."""
        return [open_record(entry.record, network) for entry in self.entries]


def remains_of(node: RealNode, network: Network) -> Remains:
    """Read a copy of what a stopped or killed node left, as it left it."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / node.name
        copy_directory(node.directory, copied)
        return _read(node.name, copied, network)


def copy_directory(source: Path, target: Path) -> None:
    """Copy a data directory as an operator would: all but what speaks of a running process."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*OF_A_PROCESS))
    target.chmod(0o700)


def faults_of(
    left: Sequence[Remains], network: Network, *, accepted: Iterable[str] = ()
) -> list[str]:
    """Return everything that is wrong with stopped nodes that had time to become equal.

    Args:
        left: What each of them left.
        network: Which network they are of.
        accepted: The task ids, in hex, that users were given.
    """
    first = left[0]
    faults: list[str] = []
    for one in left:
        missing, extra = first.records.keys() - one.records, one.records.keys() - first.records
        if missing or extra:
            lacks = f"lacks {len(missing)} and has {len(extra)} more records"
            faults.append(f"{one.name} {lacks} than {first.name}")
        faults += [f"{one.name} lacks the accepted task {i}" for i in lost(accepted, one, network)]
        signed = one.journaled(network)
        unknown = [record for record in signed if record.record_id not in first.records]
        if unknown:
            faults.append(f"{len(unknown)} records of {one.name}'s journal are not in the log")
        faults += [f"{one.name}'s journal: {slot}" for slot in slots_used_twice(one)]
        if one.digest != (counted := replay(one.records.values(), network).digest):
            faults.append(f"{one.name} has digest {one.digest.hex()}, a recount {counted.hex()}")
    everything = [record for one in left for record in one.records.values()]
    everything += [record for one in left for record in one.journaled(network)]
    return faults + second_signatures(everything) + second_forms(everything)


def lost(accepted: Iterable[str], left: Remains, network: Network) -> list[str]:
    """Return which accepted tasks a node does not have."""
    held = tasks_in(left.records.values(), network)
    return [task_id for task_id in accepted if task_id not in held]


def tasks_in(records: Iterable[Verified], network: Network) -> dict[str, tuple[PublicKey, Task]]:
    """Return every task by its id in hex, with its submitter."""
    return {
        task_id_of(network.network_id, record.author, said).hex(): (record.author, said)
        for record in records
        for said in record.statements
        if isinstance(said, Task)
    }


def second_signatures(records: Iterable[Verified]) -> list[str]:
    """Return every slot that a key signed with two different contents."""
    signed: defaultdict[tuple[object, ...], set[Statement]] = defaultdict(set)
    for record in records:
        for statement in record.statements:
            slot = slot_of(statement)
            if slot is not None:
                signed[(record.author, *slot)].add(statement)
    return [f"{slot[1]} of {slot[0]!r}" for slot, said in signed.items() if len(said) > 1]


def second_records(records: Iterable[Verified]) -> list[str]:
    """Return every slot that a key used up in two records, be the words the same or not."""
    signed: defaultdict[tuple[object, ...], set[RecordId]] = defaultdict(set)
    for record in records:
        for statement in record.statements:
            slot = slot_of(statement)
            if slot is not None:
                signed[(record.author, *slot)].add(record.record_id)
    return [f"{slot[1]} of {slot[0]!r}" for slot, ids in signed.items() if len(ids) > 1]


def second_forms(records: Iterable[Verified]) -> list[str]:
    """Return every record that exists with two different signatures."""
    forms: defaultdict[RecordId, set[bytes]] = defaultdict(set)
    for record in records:
        forms[record.record_id].add(record.raw)
    return [f"record {key.hex()} in two forms" for key, raws in forms.items() if len(raws) > 1]


def slots_used_twice(left: Remains) -> list[str]:
    """Return every slot, requests of users included, that a journal has in two entries."""
    seen: set[bytes] = set()
    twice: list[str] = []
    for slot in (slot for entry in left.entries for slot in entry.slots):
        if slot in seen:
            twice.append(f"slot {slot!r} twice")
        seen.add(slot)
    return twice


def kinds_signed(records: Iterable[Verified]) -> set[str]:
    """Return which kinds of slot were used at all, to see that a check looked at something."""
    slots = (slot_of(said) for record in records for said in record.statements)
    return {str(slot[0]) for slot in slots if slot is not None}


def slot_of(statement: Statement) -> tuple[object, ...] | None:
    """Return what a key may say once, that this statement says."""
    match statement:
        case Jury(task_id=task_id):
            return "jury", task_id
        case Commit(task_id=task_id):
            return "commit", task_id
        case Reveal(task_id=task_id):
            return "reveal", task_id
        case Task(retry_of=retry_of) if retry_of:
            return "retry", retry_of
        case Profile(sequence=sequence):
            return "profile", sequence
        case _:
            return None


def complaints_of(node: RealNode) -> list[str]:
    """Return each start of a node, a killed one too, whose words hold a traceback."""
    outputs = sorted(node.home.parent.glob(f"{node.home.name}.{node.name}.*.err"))
    assert outputs, f"{node.name} left no output"
    return [f"{path.name}: {text}" for path in outputs if "Traceback" in (text := path.read_text())]


def blame_by(node: RealNode) -> dict[str, int]:
    """Return what a running node holds against its peers; among honest nodes, nothing."""
    counters = node.status()["counters"]
    return {name: counters[name] for name in BLAME if counters.get(name)}


def _read(name: str, folder: Path, network: Network) -> Remains:
    key = load_key(folder)
    store = open_store(
        folder,
        network_id=network.network_id,
        public_key=key.signer.public_key,
        nickname="oracle",
    )
    try:
        records: dict[RecordId, Verified] = {}
        for _, record_id in record_ids(store.log):
            raw = find_record(store.log, record_id)
            assert raw is not None, f"{name}: record {record_id.hex()} is listed, but not there"
            records[record_id] = open_record(raw, network)
        return Remains(
            name=name,
            public_key=key.signer.public_key,
            records=records,
            entries=tuple(read_entry(data, network.params) for data in store.journal_entries),
            digest=state_digest(store.log),
            torn=store.torn,
        )
    finally:
        store.close()

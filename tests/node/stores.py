"""Data directories as real nodes leave them: the rows and the journal of one that did its share."""

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from consensus.incremental import fold
from consensus.layout import RANGE_SUM, RECORD
from node.core.own import cancellation, cancelled, entry_changes, read_entry
from node.store.level import LevelLog
from node.store.open import Store, looking_at, open_store
from node.verify import Report, verify_store
from protocol.record import Verified, open_record
from tests.builders import (
    NETWORK,
    a_jury,
    a_market_day,
    a_profile,
    a_record,
    a_task,
    id_of,
    key,
    retry_of,
)
from tests.core_world import World
from tests.fakes_store import MemoryLog

OWNER = "an"
TOGETHER = 10  # records a batch
IS_LONG = os.environ.get("AIMARKET_LONG") == "1"
RUNS = 100 if IS_LONG else 10  # of each kind of damage


@cache
def a_node() -> tuple[dict[bytes, bytes], tuple[bytes, ...]]:
    """Return the rows and the journal of a node after a day among four, and much hearsay."""
    world = World(OWNER, "bo", "cy", "di")
    world.start()
    for number in range(4):
        for name in world.nodes:
            world.ask(name, f"{number} asked by {name}")
        world.run(5_000)
    world.cancel(OWNER, world.ask(OWNER, "given up"))
    world.run(5_000)
    node = world.nodes[OWNER]
    for number in range(12):
        task = a_task(f"elsewhere {number}", nonce=number)
        jurors = {"ed": "positive", "flo": "positive", "gus": "negative"}
        take(node.log, *a_market_day("hal", task, jurors))
    take(node.log, a_record("hal", retry_of("hal", task)), a_record("hal", a_profile("hal")))
    seats = {"ed": "positive", "flo": "positive"}
    take(node.log, a_record("hal", a_jury(id_of("hal", task), seats)))  # a second one: void
    return dict(node.log.scan(b"")), tuple(node.journal)


def rows_in_memory(rows: dict[bytes, bytes]) -> MemoryLog:
    log = MemoryLog()
    log.stage(dict(rows))
    return log


def take(log: MemoryLog | LevelLog, *records: Verified) -> None:
    log.stage(fold(log, records, NETWORK).changes)


def opened(path: Path) -> Store:
    return open_store(path, network_id=NETWORK.network_id, public_key=key(OWNER), nickname=OWNER)


def a_store(path: Path) -> Path:
    """Write that node's directory, its key included, as it is after a clean stop.

    It was written as a node does, some records a batch with all that follows from them. Half of
    the batches lie in a table, half in the write-ahead log.
    """
    shutil.copytree(_made_once()[0], path)
    path.chmod(0o700)
    return path


def states() -> list[dict[bytes, bytes]]:
    """Return the rows as they were after each batch, the oldest first."""
    return _made_once()[1]


@cache
def _made_once() -> tuple[Path, list[dict[bytes, bytes]]]:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    path = folder / OWNER
    rows, entries = a_node()
    mirrors = {}
    for data in entries:
        entry = read_entry(data, NETWORK.params)
        record_id = open_record(entry.record, NETWORK).record_id
        mirrors[record_id] = entry_changes(entry, record_id)
    records = all_records()
    store = opened(path)
    store.journal.append(entries)
    seen: list[dict[bytes, bytes]] = [{}]
    for at in range(0, len(records), TOGETHER):
        if at == len(records) // 2 // TOGETHER * TOGETHER:
            store.close()
            store = opened(path)  # what the write-ahead log held becomes a table
        some = records[at : at + TOGETHER]
        take(store.log, *some)
        for record in some:
            store.log.stage(mirrors.get(record.record_id, {}))
        store.log.flush()
        seen.append(dict(store.log.scan(b"")))
    for task_id in cancelled(rows_in_memory(rows)):
        store.log.stage(cancellation(task_id))
    store.log.flush()
    store.close()
    write_key(path)
    with looking_at(path, network_id=NETWORK.network_id, nickname=OWNER) as (_, copy):
        assert dict(copy.log.scan(b"")) == rows
    return path, [*seen, rows]


def write_key(path: Path) -> None:
    """Write the key of `OWNER` as a node keeps it."""
    seed = hashlib.sha256(b"test key " + OWNER.encode()).digest()
    pem = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (path / "key").write_bytes(pem)
    (path / "key").chmod(0o600)


def make_older(path: Path) -> None:
    """Turn a store into one of format 1: without the sums of the sync."""
    store = opened(path)
    store.log.stage(dict.fromkeys(key for key, _ in store.log.scan(RANGE_SUM)))
    store.log.flush()
    store.close()
    remark(path, format=1)


def remark(path: Path, **fields: object) -> None:
    """Change what the marker says."""
    marker = path / "marker"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | fields))


def rows_of(path: Path) -> dict[bytes, bytes]:
    """Return every row of a store that is whole."""
    store = opened(path)
    try:
        return dict(store.log.scan(b""))
    finally:
        store.close()


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(data)


def verified(path: Path) -> Report:
    """Return what a whole look at a store finds."""
    with looking_at(path, network_id=NETWORK.network_id, nickname=OWNER) as (_, store):
        return verify_store(
            store.log, store.journal_entries, network=NETWORK, public_key=key(OWNER)
        )


def records_of(rows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the records among some rows, by their keys."""
    return {row: value for row, value in rows.items() if row.startswith(RECORD)}


@cache
def all_records() -> tuple[Verified, ...]:
    """Return the records of the node, ascending by id."""
    return tuple(open_record(raw, NETWORK) for raw in records_of(a_node()[0]).values())


@cache
def own_records() -> dict[bytes, bytes]:
    """Return what the journal of the node proves it said, by the keys of rows."""
    raws = [read_entry(data, NETWORK.params).record for data in a_node()[1]]
    return {RECORD + open_record(raw, NETWORK).record_id: raw for raw in raws}


def files_in(path: Path) -> dict[str, bytes]:
    """Return every file below a folder, the lock aside."""
    return {
        str(one.relative_to(path)): one.read_bytes()
        for one in path.rglob("*")
        if one.is_file() and one.name != "lock"
    }

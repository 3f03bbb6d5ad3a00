"""The first machine is made only where journal and log agree on what this key said."""

from pathlib import Path

import pytest

from node.core.machine import Machine
from node.core.own import find_slot, read_entry, request_key, request_slot
from node.errors import SignedElsewhere
from node.recovery import Recovery
from node.store.journal import Journal
from node.store.open import Store, open_store
from tests.builders import NETWORK, signer
from tests.core_world import World

OWNER = NETWORK.network_id + signer("an").public_key


def a_store(folder: Path) -> Store:
    return open_store(
        folder,
        network_id=NETWORK.network_id,
        public_key=signer("an").public_key,
        nickname="an",
    )


def recovery_of(store: Store, *, adopts: bool) -> Recovery:
    return Recovery(
        store=store,
        network=NETWORK,
        make=lambda newest_ms, _presences: Machine(
            signer=signer("an"),
            network=NETWORK,
            rows=store.log,
            dice=bytes,
            last_created_ms=newest_ms,
        ),
        adopts=adopts,
    )


def lived_in(folder: Path, *, entries_kept: int) -> int:
    """Leave the store of a node that worked, its journal cut between two entries."""
    world = World("an", "bo", "cy", "di")
    world.start()
    world.submit("an", "what a day", request_id="one")
    world.run(5_000)
    node = world.nodes["an"]
    store = a_store(folder)
    store.journal.append(node.journal)
    store.log.stage(dict(node.log.scan(b"")))
    store.log.flush()
    store.close()
    (folder / "journal").unlink()
    journal = Journal.create(folder / "journal", owner=OWNER)
    journal.append(node.journal[:entries_kept])
    journal.close()
    return len(node.journal)


def test_begin__stops_where_the_log_knows_more_than_the_journal(tmp_path: Path) -> None:
    lived_in(tmp_path / "an", entries_kept=1)
    store = a_store(tmp_path / "an")

    with pytest.raises(SignedElsewhere, match="its journal does not know them"):
        recovery_of(store, adopts=False).begin()

    assert store.journal.entry_count == 1
    store.close()


def test_begin__writes_into_the_journal_what_only_the_log_knows(tmp_path: Path) -> None:
    entries = lived_in(tmp_path / "an", entries_kept=1)
    store = a_store(tmp_path / "an")

    recovery_of(store, adopts=True).begin()

    slots = [read_entry(data, NETWORK.params).slots for data in store.journal_entries]
    assert len(slots) == entries
    assert request_slot(request_key("one")) in {slot for some in slots for slot in some}
    store.close()


def test_begin__goes_on_where_both_agree(tmp_path: Path) -> None:
    entries = lived_in(tmp_path / "an", entries_kept=1_000)
    store = a_store(tmp_path / "an")

    machine = recovery_of(store, adopts=False).begin()

    assert machine.me == signer("an").public_key
    assert store.journal.entry_count == entries
    assert find_slot(store.log, request_slot(request_key("one"))) is not None
    store.close()

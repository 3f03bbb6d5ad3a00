"""What becomes of a store that was damaged on the disk, and how it is healed."""

from pathlib import Path

from node.errors import StoreDamaged, StoreError
from node.repair import repair_store
from node.restore import restore
from node.store.open import Store
from tests.builders import NETWORK, key
from tests.node.stores import (
    OWNER,
    a_node,
    all_records,
    opened,
    own_records,
    records_of,
    states,
    take,
    verified,
)

HINT = f"run `aimarket-node repair --id {OWNER}`"
NEVER = "must never sign again"


def met_by_a_node(path: Path) -> str:
    """Open and read a damaged store as a node would; say how the damage shows, if it does.

    Whatever it is, no row reads as anything but what it was after some batch.
    """
    refused: StoreError | None = None
    try:
        store = opened(path)
    except StoreError as error:
        refused = error
    if refused is not None:
        _check_words(refused)
        return "refused"
    try:
        return _met_by_reading(store)
    finally:
        store.close()


def mended(path: Path, met: str) -> None:
    """Do what the operator does, then let peers send what is missing, and see that all is there."""
    if met in ("refused", "found"):
        repair_store(path, network=NETWORK, public_key=key(OWNER), nickname=OWNER)
        report = verified(path)
        assert report.findings == report.notes == []
    store = opened(path)
    restore(store.log, store.journal_entries, NETWORK)
    found = records_of(dict(store.log.scan(b"")))
    assert own_records().items() <= found.items() <= records_of(a_node()[0]).items()
    healed(store)
    store.close()


def healed(store: Store) -> None:
    """Fold in what a sync would bring, and find every row as it was."""
    rows = a_node()[0]
    take(store.log, *all_records())
    store.log.flush()
    found = dict(store.log.scan(b""))
    given_up = {row: b"" for row in rows if row.startswith(b"X")}  # peers do not know of it
    assert found | given_up == rows


def _met_by_reading(store: Store) -> str:
    last = states()[-1]
    rows: list[tuple[bytes, bytes]] = []
    met: StoreDamaged | None = None
    try:
        for key_read in last:
            found = store.log.get(key_read)
            assert found is None or any(found == state.get(key_read) for state in states())
        for row in store.log.scan(b""):
            rows.append(row)
    except StoreDamaged as error:
        met = error
    if met is not None:
        _check_words(met)
        assert rows == sorted(last.items())[: len(rows)]
        return "found"
    assert dict(rows) in states()
    return "whole" if dict(rows) == last else "older"


def _check_words(error: StoreError) -> None:
    assert isinstance(error, StoreDamaged), error
    assert str(error).endswith(HINT)
    assert "\n" not in str(error)

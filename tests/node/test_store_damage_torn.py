"""Ends that never reached the disk: cut off, or left as zeros.

What was acknowledged was synced, so only what nobody heard of can be missing; whatever the write
ahead log lost of ours, the journal puts back.
"""

import random
from pathlib import Path

import pytest

from node.errors import StoreDamaged
from node.restore import restore
from node.store.journal import ENTRY_HEAD_BYTES, FILE_HEAD_BYTES
from tests.builders import NETWORK
from tests.node.damage import NEVER, mended, met_by_a_node
from tests.node.stores import OWNER, RUNS, a_node, a_store, opened, own_records, records_of

CUT_BYTES_MAX = 4_096
seeds = pytest.mark.parametrize("seed", range(RUNS // 2))


def a_cut(seed: int) -> int:
    """Return how many bytes are lost: the fewest and the most first, then any number."""
    if seed < 2:
        return (1, CUT_BYTES_MAX)[seed]
    return random.Random(seed).randrange(1, CUT_BYTES_MAX)


def write_ahead_log_of(path: Path) -> Path:
    (found,) = (path / "log").glob("*.log")
    return found


def cut(path: Path, size: int, *, zeros: bool = False) -> None:
    data = path.read_bytes()
    size = min(size, len(data))
    path.write_bytes(data[:-size] + bytes(size if zeros else 0))


@seeds
def test_a_cut_write_ahead_log__is_older_and_never_refused(tmp_path: Path, seed: int) -> None:
    path = a_store(tmp_path / OWNER)
    cut(write_ahead_log_of(path), a_cut(seed))

    met = met_by_a_node(path)

    assert met == "older"
    mended(path, met)


@seeds
def test_a_zeroed_end_of_the_write_ahead_log__is_healed(tmp_path: Path, seed: int) -> None:
    path = a_store(tmp_path / OWNER)
    cut(write_ahead_log_of(path), a_cut(seed), zeros=True)

    mended(path, met_by_a_node(path))


def test_an_empty_write_ahead_log__costs_nothing_of_ours(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    write_ahead_log_of(path).write_bytes(b"")

    met = met_by_a_node(path)

    assert met == "older"
    mended(path, met)


def ends() -> list[int]:
    """Return where the head of the journal and each of its entries ends."""
    found = [FILE_HEAD_BYTES]
    for entry in a_node()[1]:
        found.append(found[-1] + ENTRY_HEAD_BYTES + len(entry))
    return found


@seeds
def test_a_cut_journal__holds_a_beginning_of_what_was_said_and_tells(
    tmp_path: Path, seed: int
) -> None:
    entries = a_node()[1]
    path = a_store(tmp_path / OWNER)
    journal = path / "journal"
    cut(journal, min(a_cut(seed), journal.stat().st_size - FILE_HEAD_BYTES))
    size = journal.stat().st_size
    whole = sum(end <= size for end in ends()) - 1

    store = opened(path)

    assert list(store.journal_entries) == list(entries[:whole])
    assert store.torn == (size not in ends())
    restore(store.log, store.journal_entries, NETWORK)
    # The log still has what the journal forgot, so its slots stay used up.
    assert own_records().items() <= records_of(dict(store.log.scan(b""))).items()
    assert all(store.log.get(row) == a_node()[0][row] for row in a_node()[0] if row[:1] == b"S")
    store.close()


@seeds
def test_a_journal_and_a_write_ahead_log_cut_together__agree_again(
    tmp_path: Path, seed: int
) -> None:
    """As a power cut leaves them: the synced journal has more than the log that is not synced."""
    path = a_store(tmp_path / OWNER)
    dice = random.Random(seed)
    cut(write_ahead_log_of(path), dice.randrange(1, write_ahead_log_of(path).stat().st_size))
    with (path / "journal").open("ab") as file:  # the beginning of an entry nobody heard of
        file.write(dice.randbytes(dice.randrange(1, 8)))

    met = met_by_a_node(path)

    assert met == "older"
    mended(path, met)


@seeds
def test_a_zeroed_end_of_the_journal__is_torn_or_ends_all_signing(
    tmp_path: Path, seed: int
) -> None:
    entries = a_node()[1]
    path = a_store(tmp_path / OWNER)
    journal = path / "journal"
    last = ends()[-2]
    lost = journal.stat().st_size - last if seed == 0 else a_cut(seed)
    cut(journal, lost, zeros=True)
    kept = max(end for end in ends() if end <= journal.stat().st_size - lost)

    if not any(journal.read_bytes()[kept:]):
        store = opened(path)
        assert store.torn
        assert list(store.journal_entries) == list(entries[: ends().index(kept)])
        store.close()
    else:  # a part of an entry is there, so somebody may have heard of it
        with pytest.raises(StoreDamaged, match=NEVER):
            opened(path)


@seeds
def test_append__goes_on_after_a_cut(tmp_path: Path, seed: int) -> None:
    path = a_store(tmp_path / OWNER)
    journal = path / "journal"
    cut(journal, a_cut(seed))
    store = opened(path)
    before = list(store.journal_entries)
    store.journal.append([b"said after the cut"])
    store.close()

    store = opened(path)

    assert list(store.journal_entries) == [*before, b"said after the cut"]
    assert not store.torn
    store.close()

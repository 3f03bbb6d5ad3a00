"""The signing journal: nothing said is forgotten, nothing changed is believed."""

import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import JournalLost, StoreDamaged, StoreError
from node.store.journal import (
    ENTRY_HEAD_BYTES,
    FILE_HEAD_BYTES,
    PAYLOAD_BYTES_MAX,
    Journal,
)

OWNER = b"network and key"
APPENDER = """
import sys
from pathlib import Path
from node.store.journal import Journal
journal = Journal(Path(sys.argv[1]), owner=b"network and key")
number = journal.entry_count
while True:
    batch = [b"%d " % (number + i) + b"x" * (number % 700) for i in range(3)]
    journal.append(batch)
    number += 3
    print(number, flush=True)
"""


def begun(path: Path, *batches: list[bytes]) -> Journal:
    journal = Journal.create(path, owner=OWNER)
    for batch in batches:
        journal.append(batch)
    return journal


def written(path: Path, *batches: list[bytes]) -> bytes:
    begun(path, *batches).close()
    return path.read_bytes()


def reopened(path: Path) -> Journal:
    return Journal(path, owner=OWNER)


def test_create__makes_a_private_file(tmp_path: Path) -> None:
    before = os.umask(0)

    journal = begun(tmp_path / "journal")

    os.umask(before)
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600
    assert list(journal.replay()) == []
    assert not journal.torn


def test_create__refuses_a_name_that_is_taken(tmp_path: Path) -> None:
    written(tmp_path / "journal", [b"one"])

    with pytest.raises(StoreError, match="File exists"):
        begun(tmp_path / "journal")


@given(batches=st.lists(st.lists(st.binary(min_size=1, max_size=300), max_size=4), max_size=5))
@settings(max_examples=40, deadline=None)
def test_replay__returns_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[bytes]]
) -> None:
    path = tmp_path_factory.mktemp("j") / "journal"
    appended = [payload for batch in batches for payload in batch]

    journal = begun(path, *batches)
    live = list(journal.replay())
    journal.close()
    later = reopened(path)

    assert live == appended
    assert list(later.replay()) == appended
    assert later.entry_count == len(appended)
    assert not later.torn
    later.close()


def test_append__goes_on_where_an_earlier_process_ended(tmp_path: Path) -> None:
    written(tmp_path / "journal", [b"one"])

    journal = reopened(tmp_path / "journal")
    journal.append([b"two"])
    journal.close()

    assert list(reopened(tmp_path / "journal").replay()) == [b"one", b"two"]


def test_replay__ends_where_the_journal_ended_at_the_call(tmp_path: Path) -> None:
    journal = begun(tmp_path / "journal", [b"one"])

    entries = journal.replay()
    journal.append([b"two"])

    assert list(entries) == [b"one"]


@pytest.mark.parametrize("payload", [b"", bytes(PAYLOAD_BYTES_MAX + 1)])
def test_append__refuses_a_payload_outside_the_limits(tmp_path: Path, payload: bytes) -> None:
    journal = begun(tmp_path / "journal")

    with pytest.raises(ValueError, match="a journal entry has"):
        journal.append([b"fine", payload])

    assert list(journal.replay()) == []


def test_open__takes_a_cut_at_any_byte_of_the_last_entry_for_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = written(path, [b"one"], [b"two", b"the last one"])
    start = len(whole) - ENTRY_HEAD_BYTES - len(b"the last one")

    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        journal = reopened(path)

        assert list(journal.replay()) == [b"one", b"two"]
        assert journal.torn == (end > start)
        assert path.read_bytes() == whole[:end], "a second start must learn of it too"
        journal.close()


def test_append__cuts_a_torn_tail_first(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written(path, [b"one"], [b"a longer entry than the next"])[:-3])

    journal = reopened(path)
    journal.append([b"two"])
    journal.close()

    assert not journal.torn
    again = reopened(path)
    assert not again.torn
    assert list(again.replay()) == [b"one", b"two"]


@pytest.mark.parametrize("zeros", [1, 7, 8, 40, 4096, 100_000])
def test_open__takes_zeros_after_the_last_entry_for_torn(tmp_path: Path, zeros: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written(path, [b"one"]) + bytes(zeros))

    journal = reopened(path)

    assert journal.torn
    assert list(journal.replay()) == [b"one"]


def test_open__takes_something_after_zeros_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written(path, [b"one"]) + bytes(5_000) + b"\x01")

    with pytest.raises(StoreDamaged, match="damaged at byte"):
        reopened(path)


def test_open__takes_any_flipped_bit_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = written(path, [b"one"], [b"two", b"three"])

    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        with pytest.raises(StoreDamaged):
            reopened(path)


def test_open__takes_moved_entries_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = written(path, [b"one"], [b"two"], [b"six"])
    size = ENTRY_HEAD_BYTES + 3
    head, rest = whole[:FILE_HEAD_BYTES], whole[FILE_HEAD_BYTES:]
    one, two, six = rest[:size], rest[size : 2 * size], rest[2 * size :]

    for order in ([two, one, six], [one, six], [one, one, two], [two, six], [one, six, two]):
        path.write_bytes(head + b"".join(order))
        with pytest.raises(StoreDamaged):
            reopened(path)


def test_open__refuses_the_journal_of_another_owner(tmp_path: Path) -> None:
    written(tmp_path / "journal", [b"one"])

    with pytest.raises(StoreDamaged, match="another key"):
        Journal(tmp_path / "journal", owner=b"someone else")


@pytest.mark.parametrize("size", [0, 7, FILE_HEAD_BYTES - 1])
def test_open__refuses_a_file_without_a_whole_head(tmp_path: Path, size: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written(path)[:size])

    with pytest.raises(StoreDamaged, match="does not begin like a journal"):
        reopened(path)


def test_open__refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged, match="is missing"):
        reopened(tmp_path / "journal")


def test_append__leaves_the_journal_as_it_was__when_the_disk_is_full(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = begun(path, [b"one"])
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    # The limit lets a part of the entry through, as a disk that fills up does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(StoreError, match="File too large") as refused:
            journal.append([b"x" * 500])
        journal.append([b"small"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    journal.append([b"y" * 500])
    journal.close()

    assert not isinstance(refused.value, JournalLost)
    later = reopened(path)
    assert not later.torn
    assert list(later.replay()) == [b"one", b"small", b"y" * 500]


def test_append__never_signs_again__when_the_end_is_not_known(tmp_path: Path) -> None:
    journal = begun(tmp_path / "journal", [b"one"])
    reader = os.open(tmp_path / "journal", os.O_RDONLY)
    os.dup2(reader, journal._fd)  # neither writing nor cutting works on it
    os.close(reader)

    with pytest.raises(JournalLost, match="cannot write or cut"):
        journal.append([b"two"])
    with pytest.raises(JournalLost, match="may not sign"):
        journal.append([b"two"])


def test_append__fails_after_close(tmp_path: Path) -> None:
    journal = begun(tmp_path / "journal", [b"one"])
    journal.close()
    journal.close()

    with pytest.raises(StoreError):
        journal.append([b"two"])


def test_append__loses_nothing_acknowledged__when_killed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path)

    for lines in (1, 2, 5, 20, 50, 100):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(lines):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            heard = [int(line) for line in process.stdout if line.endswith("\n")]
        acknowledged = max([acknowledged, *heard])

        journal = reopened(path)
        numbers = [int(entry.split(b" ")[0]) for entry in journal.replay()]
        journal.close()
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= acknowledged

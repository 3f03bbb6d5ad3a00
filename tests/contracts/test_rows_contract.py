"""What every log promises, be it in memory or on a disk."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from consensus.rows import Changes, Rows
from node.store.level import LevelLog
from tests.fakes_store import MemoryLog


class Log(Rows, Protocol):
    def stage(self, changes: Changes) -> None: ...
    def flush(self, *, sync: bool = False) -> None: ...
    def close(self) -> None: ...
    def snapshot(self) -> AbstractContextManager[Rows]: ...
    @property
    def staged_count(self) -> int: ...


class Memory:
    """A log in memory, which a crash empties of what was staged."""

    def __init__(self) -> None:
        self._log = MemoryLog()

    def open(self) -> Log:
        return self._log

    def reopen(self) -> Log:
        self._log.crash()
        return self._log

    def clean(self) -> None:
        self._log.close()


class Disk:
    """A log in a folder, closed without a flush."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp())
        self._log = LevelLog(self._folder / "log", create=True)

    def open(self) -> Log:
        return self._log

    def reopen(self) -> Log:
        self._log.close()
        self._log = LevelLog(self._folder / "log")
        return self._log

    def clean(self) -> None:
        self._log.close()
        shutil.rmtree(self._folder)


Place = Memory | Disk
# Few letters, among them the highest: prefixes meet, and a prefix may have no key after it.
KEYS = st.lists(st.sampled_from([b"a", b"b", b"\x00", b"\xff"]), min_size=1, max_size=4).map(
    b"".join
)
PREFIXES = st.one_of(st.just(b""), KEYS)
CHANGES = st.dictionaries(KEYS, st.one_of(st.none(), st.binary(max_size=4)), max_size=6)


def scanned(model: dict[bytes, bytes], prefix: bytes, after: bytes) -> list[tuple[bytes, bytes]]:
    return sorted(row for row in model.items() if row[0].startswith(prefix) and row[0] > after)


@pytest.fixture(params=[Memory, Disk])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made: Place = request.param()
    yield made
    made.clean()


def test_get__returns_none__for_a_row_that_is_not_there(place: Place) -> None:
    assert place.open().get(b"a") is None


def test_stage__shows_rows_before_they_are_written(place: Place) -> None:
    log = place.open()

    log.stage({b"a": b"1", b"b": b""})

    assert log.get(b"a") == b"1"
    assert log.get(b"b") == b""
    assert list(log.scan(b"")) == [(b"a", b"1"), (b"b", b"")]
    assert log.staged_count == 2


def test_flush__keeps_rows_and_deletions(place: Place) -> None:
    log = place.open()
    log.stage({b"a": b"1", b"b": b"2"})
    log.flush()
    log.stage({b"a": None, b"c": b"3"})
    log.flush(sync=True)

    log = place.reopen()

    assert log.staged_count == 0
    assert list(log.scan(b"")) == [(b"b", b"2"), (b"c", b"3")]


def test_reopen__forgets_what_was_only_staged(place: Place) -> None:
    log = place.open()
    log.stage({b"a": b"1"})
    log.flush()
    log.stage({b"a": None, b"b": b"2"})

    log = place.reopen()

    assert list(log.scan(b"")) == [(b"a", b"1")]


@pytest.mark.parametrize(
    ("prefix", "after", "expected"),
    [
        (b"", b"", [b"a", b"ab", b"ac", b"b", b"\xff", b"\xff\xff"]),
        (b"a", b"", [b"a", b"ab", b"ac"]),
        (b"a", b"a", [b"ab", b"ac"]),
        (b"a", b"aa", [b"ab", b"ac"]),
        (b"a", b"ab", [b"ac"]),
        (b"a", b"ac", []),
        (b"a", b"b", []),
        (b"b", b"a", [b"b"]),
        (b"c", b"", []),
        (b"\xff", b"", [b"\xff", b"\xff\xff"]),
        (b"\xff", b"\xff", [b"\xff\xff"]),
        (b"\xff\xff", b"", [b"\xff\xff"]),
        (b"\xff", b"\xff\xff\xff", []),
    ],
)
@pytest.mark.parametrize("flushed", [False, True])
def test_scan__is_half_open_and_ascending(
    place: Place, prefix: bytes, after: bytes, expected: list[bytes], flushed: bool
) -> None:
    log = place.open()
    log.stage({key: key for key in (b"\xff\xff", b"b", b"ac", b"a", b"ab", b"\xff")})
    if flushed:
        log.flush()

    rows = list(log.scan(prefix, after=after))

    assert rows == [(key, key) for key in expected]


def test_scan__shows_the_rows_as_they_were_at_the_call(place: Place) -> None:
    log = place.open()
    log.stage({b"a": b"1", b"c": b"3"})
    log.flush()
    log.stage({b"b": b"2"})

    rows = log.scan(b"")
    log.stage({b"a": b"9", b"b": None, b"c": None, b"d": b"4"})
    log.flush()

    assert list(rows) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]


def test_scan__may_be_left_before_its_end(place: Place) -> None:
    log = place.open()
    log.stage({b"a": b"1", b"b": b"2"})
    log.flush()

    first = next(log.scan(b""))

    assert first == (b"a", b"1")
    assert list(place.reopen().scan(b"")) == [(b"a", b"1"), (b"b", b"2")]


def test_snapshot__shows_what_was_written_by_then(place: Place) -> None:
    log = place.open()
    log.stage({b"a": b"1", b"c": b"3"})
    log.flush()
    log.stage({b"b": b"2"})

    with log.snapshot() as rows:
        log.stage({b"a": b"9", b"c": None})
        log.flush()

        assert list(rows.scan(b"")) == [(b"a", b"1"), (b"c", b"3")]
        assert list(rows.scan(b"", after=b"a")) == [(b"c", b"3")]
        assert [rows.get(key) for key in (b"a", b"b", b"c")] == [b"1", None, b"3"]


@given(changes=st.lists(CHANGES, max_size=4), prefix=PREFIXES, after=PREFIXES)
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("kind", [Memory, Disk])
def test_scan__equals_a_sorted_dict(
    kind: Callable[[], Place], changes: list[Changes], prefix: bytes, after: bytes
) -> None:
    place = kind()
    log, model = place.open(), dict[bytes, bytes]()
    for index, step in enumerate(changes):
        log.stage(step)
        model.update({key: value for key, value in step.items() if value is not None})
        for key in (key for key, value in step.items() if value is None):
            model.pop(key, None)
        if index == 1:
            log.flush()

    rows = list(log.scan(prefix, after=after))

    place.clean()
    assert rows == scanned(model, prefix, after)


class LogMachine(RuleBasedStateMachine):
    """A log beside two dicts: what is visible, and what survives."""

    kind: Callable[[], Place] = Memory

    def __init__(self) -> None:
        super().__init__()
        self.place = self.kind()
        self.log = self.place.open()
        self.visible: dict[bytes, bytes] = {}
        self.written: dict[bytes, bytes] = {}

    def teardown(self) -> None:
        self.place.clean()

    @rule(changes=CHANGES)
    def stage(self, changes: Changes) -> None:
        self.log.stage(changes)
        for key, value in changes.items():
            if value is None:
                self.visible.pop(key, None)
            else:
                self.visible[key] = value

    @rule()
    def flush(self) -> None:
        self.log.flush()
        self.written = dict(self.visible)

    @rule()
    def flush_in_a_thread(self) -> None:
        thread = threading.Thread(target=self.log.flush)
        thread.start()
        thread.join()
        self.written = dict(self.visible)

    @rule()
    def reopen(self) -> None:
        self.log = self.place.reopen()
        self.visible = dict(self.written)

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        assert self.log.get(key) == self.visible.get(key)

    @rule(prefix=PREFIXES, after=PREFIXES)
    def scan(self, prefix: bytes, after: bytes) -> None:
        assert list(self.log.scan(prefix, after=after)) == scanned(self.visible, prefix, after)

    @invariant()
    def shows_every_row(self) -> None:
        assert dict(self.log.scan(b"")) == self.visible


class DiskMachine(LogMachine):
    kind = Disk


LogMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
DiskMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestMemoryAgainstDict = LogMachine.TestCase
TestDiskAgainstDict = DiskMachine.TestCase

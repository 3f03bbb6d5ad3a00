"""The file of a log: what is written is read back, and nothing that was cut or changed is."""

import hashlib
import io
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from consensus import log
from consensus.incremental import fold
from consensus.verdict import State
from node.errors import StoreDamaged, UsageError
from node.log_check import LogWrong, check_log
from node.log_file import (
    Header,
    LogReader,
    frame,
    is_log_file,
    log_chunks,
    pack_header,
    read_frames,
    read_header,
)
from protocol.errors import Malformed
from protocol.ids import Digest
from protocol.params import NetworkParams, network_of
from protocol.record import Verified
from tests.builders import NETWORK, a_jury, a_market_day, a_presence, a_record, a_task, id_of
from tests.fakes import MemoryRows
from tests.strategies import histories

AGREED = {"bo": "positive", "cy": "positive", "di": "negative"}
DAY = a_market_day("an", a_task(), AGREED)
END_BYTES = 4 + 32


def rows_of(records: Sequence[Verified]) -> MemoryRows:
    rows = MemoryRows()
    rows.apply(fold(rows, records, NETWORK).changes)
    return rows


def file_of(records: Sequence[Verified]) -> bytes:
    return b"".join(log_chunks(rows_of(records), NETWORK))


def forged(records: Sequence[Verified], *, like: Sequence[Verified] | None = None) -> bytes:
    """Write a file whose sum is right, whatever it holds."""
    rows = rows_of(records if like is None else like)
    header = pack_header(Header(NETWORK, len(records), log.state_digest(rows)))
    body = header + b"".join(frame(record.raw) for record in records) + bytes(4)
    return body + hashlib.sha256(body).digest()


WHOLE = file_of(DAY)
HEADER_BYTES = WHOLE.index(b"\n") + 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_check_log__comes_to_the_state_of_whoever_wrote_it(history: list[Verified]) -> None:
    rows = rows_of(history)

    report = check_log(io.BytesIO(file_of(history)))

    assert report.state_digest == log.state_digest(rows)
    assert report.records == log.record_count(rows)
    assert report.tasks == log.task_counts(rows)


def test_log_file__is_the_same_for_equal_logs() -> None:
    assert file_of(DAY[::-1]) == WHOLE
    assert is_log_file(WHOLE[:32])
    assert check_log(io.BytesIO(WHOLE)).tasks[State.FINAL] == 1


def test_log_file__may_be_empty() -> None:
    assert check_log(io.BytesIO(file_of([]))).records == 0


def test_log_chunks__are_many_for_a_large_log() -> None:
    rows = rows_of([a_record("an", a_task("x" * 16_000, nonce=n)) for n in range(20)])

    chunks = list(log_chunks(rows, NETWORK))

    assert len(chunks) > 3
    assert max(map(len, chunks)) < 128 * 1024
    assert check_log(io.BytesIO(b"".join(chunks))).records == 20


def test_log_chunks__refuse_a_log_that_lacks_a_record() -> None:
    rows = rows_of(DAY)
    rows.apply({b"r" + DAY[0].record_id: None})

    with pytest.raises(StoreDamaged, match="is listed, but is not in the log"):
        list(log_chunks(rows, NETWORK))


@pytest.mark.parametrize("at", range(0, len(WHOLE), 97))
def test_log_file__is_refused_wherever_it_is_cut(at: int) -> None:
    with pytest.raises(UsageError):
        check_log(io.BytesIO(WHOLE[:at]))


@pytest.mark.parametrize("at", [*range(0, HEADER_BYTES, 31), *range(HEADER_BYTES, len(WHOLE), 61)])
def test_log_file__is_refused_wherever_a_bit_is_flipped(at: int) -> None:
    flipped = bytearray(WHOLE)
    flipped[at] ^= 4

    with pytest.raises((UsageError, LogWrong)):
        check_log(io.BytesIO(bytes(flipped)))


def _changed(old: bytes, new: bytes) -> bytes:
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


OTHER = network_of(NetworkParams(genesis=b"\x02" * 16, name="test"))
COUNT = b'"records": %d' % len(DAY)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"", "does not begin with"),
        (b"{}", "does not begin with"),
        (WHOLE[: HEADER_BYTES - 2], "the first line: was cut"),
        (WHOLE[:HEADER_BYTES], "after 0 of 8 records"),
        (WHOLE[:-END_BYTES], "after 8 of 8 records"),
        (WHOLE[:-1], "after 8 of 8 records"),
        (WHOLE + b"x", "goes on after its end"),
        (WHOLE[:-1] + b"x", "its sum is not that of its bytes"),
        (_changed(COUNT, b'"records": 7'), "more than the 7 records"),
        (_changed(COUNT, b'"records": 9'), "its sum is not"),
        (_changed(COUNT, b'"records": 1e3'), "not readable"),
        (_changed(COUNT, b'"records": 9999999'), "at most 1000000 are counted"),
        (_changed(COUNT, b'"records": ' + b"9" * 5000), "not readable"),
        (_changed(COUNT, b'"records": NaN'), "not readable"),
        (_changed(COUNT, COUNT + b', "records": 8'), "not written as"),
        (_changed(b'"records"', b'"more": 1, "records"'), "not written as"),
        (_changed(b'"members": []', b'"members": ' + b"[" * 100_000), "not readable"),
        (_changed(b'"name": "test"', b'"name": "\\ud800"'), "not readable"),
        (_changed(b'"name": "test"', b'"name": "best"'), "not those of network"),
        (_changed(b'"record_work_bits": 0', b'"record_work_bits": 257'), "not readable"),
        (WHOLE[:HEADER_BYTES] + b"\xff" * 40, "4294967295 bytes, need 1 to"),
        (pack_header(Header(OTHER, 1, Digest(bytes(32))))[:-1], "the first line: was cut"),
    ],
)  # fmt: skip
def test_log_file__is_unreadable__naming_what_is_wrong(file: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check_log(io.BytesIO(file))


def _swapped() -> list[Verified]:
    return [DAY[1], DAY[0], *DAY[2:]]


def _with_three_juries() -> list[Verified]:
    """Return a log that holds a jury which the join would have dropped."""
    juries = [a_jury(id_of("an", a_task()), {"bo": "positive", who: "yes"}) for who in "xyz"]
    records = [DAY[0], *(a_record("an", jury) for jury in juries)]
    return sorted(records, key=lambda record: (record.created_ms, record.record_id))


@pytest.mark.parametrize(
    ("records", "told"),
    [
        (_swapped, "record 1 .*: is not above the one before it"),
        (lambda: [DAY[0], DAY[0]], "record 1 .*: is not above the one before it"),
        (lambda: [a_record("an", a_presence())], "record 0 .*: a presence"),
        (lambda: [a_record("an", a_task(), network=OTHER)], "record 0: network "),
        (_with_three_juries, "record . .*: a jury that no log keeps"),
    ],
)
def test_check_log__refuses_what_no_log_holds(
    records: Callable[[], list[Verified]], told: str
) -> None:
    with pytest.raises(LogWrong, match=told):
        check_log(io.BytesIO(forged(records(), like=[])))


def test_check_log__refuses_another_state_than_the_records_come_to() -> None:
    records = sorted(DAY, key=lambda record: (record.created_ms, record.record_id))
    check_log(io.BytesIO(forged(records)))

    with pytest.raises(LogWrong, match=r"state_digest: .*, but its records come to"):
        check_log(io.BytesIO(forged(records, like=DAY[:1])))


def test_read_header__returns_what_was_written() -> None:
    members = tuple(sorted((DAY[0].author, DAY[1].author)))
    network = network_of(NetworkParams(genesis=b"\x03" * 16, name="über", members=members))
    header = Header(network, 5, Digest(b"\x07" * 32))

    assert read_header(pack_header(header)) == header


def test_log_reader__holds_one_record_at_a_time() -> None:
    class Endless(io.RawIOBase):
        """Records without end."""

        def __init__(self) -> None:
            self.given = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            return pack_header(Header(NETWORK, 3, Digest(bytes(32))))

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return (1).to_bytes(4) if size == 4 else b"x" * size

    stream = Endless()
    with pytest.raises(UsageError, match="more than the 3 records"):
        for _ in LogReader(stream):  # type: ignore[arg-type]
            pass
    assert stream.given < 100


def test_read_frames__returns_what_was_framed() -> None:
    body = b"".join(frame(record.raw) for record in DAY)

    assert list(read_frames(body)) == [record.raw for record in DAY]
    assert list(read_frames(b"")) == []


@pytest.mark.parametrize(
    "body", [b"\0", b"\0\0\0\0", b"\0\0\0\x02x", b"\xff\xff\xff\xff", frame(b"x") + b"\0\0"]
)
def test_read_frames__refuse_what_is_cut_or_too_large(body: bytes) -> None:
    with pytest.raises(Malformed):
        list(read_frames(body))

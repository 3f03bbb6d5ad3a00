"""What can still be read of a damaged log, and that the log itself stays as it is."""

from pathlib import Path

from consensus.layout import RECORD
from node.store.level import LevelLog
from node.store.salvage import Wreck, copy_log
from tests.node.stores import flip


def test_wreck__steps_over_what_is_damaged(tmp_path: Path) -> None:
    rows = {RECORD + number.to_bytes(32): number.to_bytes(200) for number in range(3_000)}
    log = LevelLog(tmp_path / "log", create=True)
    log.stage(dict(rows))
    log.flush()
    log.close()
    LevelLog(tmp_path / "log").close()  # what the write-ahead log holds becomes a table
    table = next((tmp_path / "log").glob("*.ldb"))
    for place in (1, 2, 3):
        flip(table, table.stat().st_size * 2 * place)
    copy_log(tmp_path / "log", tmp_path / "copy")

    with Wreck(tmp_path / "copy") as wreck:
        found = dict(wreck.scan(RECORD))
        later = dict(wreck.scan(RECORD, after=RECORD + (2_000).to_bytes(32)))

    assert found.items() <= rows.items()
    assert 2_700 < len(found) < 3_000
    assert later == {row: value for row, value in found.items() if int.from_bytes(row[1:]) > 2_000}


def test_wreck__is_empty_where_nothing_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()

    with Wreck(tmp_path / "copy") as wreck:
        assert list(wreck.scan(b"")) == []
        assert wreck.get(b"anything") is None

"""Damage that one reader met ends the node, whoever that reader was."""

from pathlib import Path

import pytest

from consensus.layout import RECORD
from node.errors import StoreDamaged
from tests.node.stores import a_store, flip, opened

HINT = "run `aimarket-node repair --id an`"


def test_log__says_what_it_met_to_all_who_come_later(tmp_path: Path) -> None:
    path = a_store(tmp_path / "an")
    store = opened(path)
    records = [key for key, _ in store.log.scan(RECORD)]
    store.close()
    table = sorted((path / "log").glob("*.ldb"))[0]
    flip(table, table.stat().st_size * 4)
    store = opened(path)
    log = store.log

    with pytest.raises(StoreDamaged) as met:
        list(log.scan(b""))

    said = str(met.value)
    assert said.startswith(f"cannot read {path / 'log'}: Corruption: ")
    assert said.endswith(f"; {HINT}")
    for call in (
        lambda: log.get(records[0]),
        lambda: log.get(b"nothing"),
        lambda: log.scan(RECORD),
        log.flush,
        log.reopen,
    ):
        with pytest.raises(StoreDamaged) as again:
            call()
        assert str(again.value) == said
    store.close()

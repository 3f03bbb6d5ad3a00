"""`aimarket-node log export`: what a node that stands still holds, as a file."""

import io
from pathlib import Path

from click.testing import CliRunner

from consensus import log
from node.log_check import check_log
from node.main import main
from tests.node.stores import OWNER, a_store, files_in, opened

PLACE = ("--id", OWNER, "--network-genesis", "01" * 16, "--network-name", "test")


def test_export__writes_the_log_of_a_node_that_stands_still(tmp_path: Path) -> None:
    path = a_store(tmp_path / OWNER)
    before = files_in(path)

    done = CliRunner().invoke(main, ["log", "export", "--home", str(tmp_path), *PLACE])

    assert done.exit_code == 0, done.output
    assert files_in(path) == before
    report = check_log(io.BytesIO(done.stdout_bytes))
    store = opened(path)
    assert report.records == log.record_count(store.log) > 0
    assert report.state_digest == log.state_digest(store.log)
    store.close()


def test_export__names_a_directory_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["log", "export", "--home", str(tmp_path), *PLACE])

    assert done.exit_code == 1
    assert "there is no directory" in done.stderr

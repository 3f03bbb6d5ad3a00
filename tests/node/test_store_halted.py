"""A directory whose node stopped for good, and the operator's word."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from node.errors import SignedElsewhere
from node.main import main
from node.store.directory import MARKER_NAME, DataDirectory
from node.store.halted import (
    end_adoption,
    is_adopting,
    note_halt,
    order_adoption,
    refuse_halted,
)


def test_refuse_halted__lets_a_node_start_where_none_stopped(tmp_path: Path) -> None:
    refuse_halted(tmp_path, node_id="alice")
    refuse_halted(tmp_path / "nowhere", node_id="alice")


def test_refuse_halted__says_why_it_stopped_and_what_ends_it(tmp_path: Path) -> None:
    note_halt(tmp_path, "record 01234567 of this key was met")

    with pytest.raises(SignedElsewhere) as refused:
        refuse_halted(tmp_path, node_id="alice")

    assert refused.value.exit_code == 4
    assert "record 01234567 of this key was met" in str(refused.value)
    assert "aimarket-node adopt --id alice" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_order_adoption__ends_the_halt_until_it_is_carried_out(tmp_path: Path) -> None:
    note_halt(tmp_path, "a reason")

    order_adoption(tmp_path)

    refuse_halted(tmp_path, node_id="alice")
    assert is_adopting(tmp_path)
    end_adoption(tmp_path)
    assert not is_adopting(tmp_path)
    end_adoption(tmp_path)


def test_adopt__refuses_a_directory_that_was_never_used(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["adopt", "--home", str(tmp_path), "--id", "alice"])

    assert result.exit_code == 1
    assert "was never used" in result.stderr
    assert not (tmp_path / "alice").exists()


def test_adopt__refuses_a_directory_whose_node_runs(tmp_path: Path) -> None:
    folder = tmp_path / "alice"
    holder = DataDirectory(folder, nickname="alice")
    (folder / MARKER_NAME).write_bytes(b"{}")

    result = CliRunner().invoke(main, ["adopt", "--home", str(tmp_path), "--id", "alice"])

    holder.close()
    assert result.exit_code == 1
    assert "is in use by process" in result.stderr
    assert not is_adopting(folder)


def test_adopt__writes_the_operators_word_down(tmp_path: Path) -> None:
    folder = tmp_path / "alice"
    folder.mkdir(mode=0o700)
    (folder / MARKER_NAME).write_bytes(b"{}")
    note_halt(folder, "a reason")

    result = CliRunner().invoke(main, ["--home", str(tmp_path), "--id", "alice", "adopt"])

    assert result.exit_code == 0
    assert "See that no other copy runs" in result.stdout
    refuse_halted(folder, node_id="alice")
    assert is_adopting(folder)

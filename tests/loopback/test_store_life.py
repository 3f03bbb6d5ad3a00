"""What a node does over a store that is older, newer, another's, in use, or damaged."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store.directory import FORMAT
from tests.loopback.nodes import ROOT, RealNode, Street, environment
from tests.node.damage import healed
from tests.node.stores import (
    OWNER,
    a_node,
    a_store,
    files_in,
    flip,
    make_older,
    opened,
    records_of,
    remark,
)

pytestmark = pytest.mark.e2e

GENESIS = "01" * 16
NAME = ("--network-name", "test")
REPAIR = f"run `aimarket-node repair --id {OWNER}`"
REFUSED_WITHIN_S = 30.0


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Street]:
    found = Street(tmp_path / "home", genesis=GENESIS)
    found.home.mkdir()
    yield found
    found.close()


def a_used_node(town: Street) -> RealNode:
    """Describe a node over the store of one that did its share."""
    a_store(town.home / OWNER)
    return town.node(OWNER, *NAME)


def refusal(node: RealNode, *options: str) -> tuple[int, str]:
    """Start a node that must not start; return its exit code and its one line."""
    node.launch(*options)
    code = node.wait_ended(within_s=REFUSED_WITHIN_S)
    lines = [line for line in node.words().splitlines() if line.startswith("aimarket-node: ")]
    assert "Traceback" not in node.words()
    assert len(lines) == 1, node.words()
    return code, lines[0].removeprefix("aimarket-node: ")


def command(town: Street, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    place = ("--home", str(town.home), "--id", OWNER, "--network-genesis", GENESIS, *NAME)
    return subprocess.run(
        [sys.executable, "-m", "node.main", name, *place, *options],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_node__brings_an_older_store_up_to_date_and_goes_on(town: Street) -> None:
    alice = a_used_node(town)
    make_older(alice.directory)
    journal = (alice.directory / "journal").read_bytes()

    alice.launch()
    alice.wait_serving()
    held = alice.status()["records"]
    assert alice.stop() == 0

    assert held >= len(records_of(a_node()[0]))
    assert (alice.directory / "journal").read_bytes().startswith(journal)
    assert json.loads((alice.directory / "marker").read_text())["format"] == FORMAT
    assert f"upgraded {alice.directory} to format {FORMAT}" in alice.words()
    assert json.loads(command(town, "verify", "--json").stdout)["ok"] is True


def test_a_node__starts_over_nothing_that_it_does_not_know(town: Street) -> None:
    alice = a_used_node(town)
    path = alice.directory
    pristine = files_in(path)
    other_network = town.node(OWNER, "--network-name", "other")

    assert refusal(other_network) == (1, other_line(path, other_network))
    remark(path, format=FORMAT + 1)
    newer = f"{path} has format {FORMAT + 1}, this program knows format {FORMAT}; use a newer one"
    assert refusal(alice) == (1, newer)
    (path / "marker").rename(path / "marker.away")
    missing = f"{path / 'journal'} is there, but {path / 'marker'} is not"
    assert refusal(alice) == (1, f"{missing}; put it back, or {REPAIR}")
    (path / "marker").write_bytes(pristine["marker"])
    (path / "marker.away").unlink()
    (path / "log" / "CURRENT").unlink()
    gone = f"{path / 'log' / 'CURRENT'} is missing, though {path} was used before"
    assert refusal(alice) == (3, f"{gone}; {REPAIR}")

    (path / "log" / "CURRENT").write_bytes(pristine["log/CURRENT"])
    assert files_in(path) == pristine, "nothing was begun over it"


def other_line(path: Path, node: RealNode) -> str:
    text = node.words()
    assert f"{path} belongs to network" in text
    return text.strip().splitlines()[-1].removeprefix("aimarket-node: ")


def test_a_second_process__ends_by_itself_while_the_first_goes_on(town: Street) -> None:
    alice = a_used_node(town)
    alice.launch()
    alice.wait_serving()

    second = town.node(OWNER, *NAME)
    second.starts = 7  # its words go elsewhere
    code, line = refusal(second)
    verify, repair = command(town, "verify"), command(town, "repair")

    holder = f"{alice.directory} is in use by process {alice.pid} ({OWNER})"
    assert (code, line.split(";")[0]) == (1, holder)
    for refused in (verify, repair):
        assert refused.returncode == 1
        assert holder in refused.stderr
    assert alice.status()["records"] >= len(records_of(a_node()[0]))
    assert alice.stop() == 0


def test_a_damaged_store__is_repaired_and_lived_in_again(town: Street) -> None:
    alice = a_used_node(town)
    path = alice.directory
    (table,) = (path / "log").glob("*.ldb")
    flip(table, 800)  # among the rows of its own, which every start reads

    code, line = refusal(alice)
    looked = command(town, "verify")
    mended = command(town, "repair")
    again = command(town, "verify")

    assert code == 3
    assert line.startswith(f"cannot read {path / 'log'}: ")
    assert line.endswith(REPAIR)
    assert (looked.returncode, looked.stderr.strip().splitlines()[-1]) == (
        3,
        f"aimarket-node: {line}",
    )
    assert mended.returncode == 0, mended.stderr
    assert again.returncode == 0, again.stdout
    alice.launch()
    alice.wait_serving()
    assert alice.stop() == 0
    store = opened(path)
    healed(store)
    store.close()


def test_a_running_node__ends_when_anybody_meets_damage(town: Street) -> None:
    alice = a_used_node(town)
    alice.launch()
    alice.wait_serving()

    for table in (alice.directory / "log").glob("*.ldb"):
        rot(table)
    status, _ = alice.call("GET", "/leaderboard")
    code = alice.wait_ended(within_s=REFUSED_WITHIN_S)

    (line,) = [one for one in alice.words().splitlines() if one.startswith("aimarket-node: ")]
    assert status >= 500
    assert "Traceback" not in alice.words()
    assert code == 3
    assert line.startswith(f"aimarket-node: cannot read {alice.directory / 'log'}: ")
    assert line.endswith(REPAIR)


def rot(path: Path) -> None:
    """Change a byte of every kilobyte of a file that somebody has open."""
    with path.open("r+b") as file:
        for at in range(0, path.stat().st_size, 1_000):
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 1]))


def test_a_damaged_journal__is_never_signed_from_again(town: Street) -> None:
    alice = a_used_node(town)
    journal = alice.directory / "journal"
    flip(journal, journal.stat().st_size * 4)
    before = files_in(alice.directory)

    code, line = refusal(alice)
    mended = command(town, "repair")

    never = (
        "without it nobody knows all that this key said, so it must never sign again: "
        "begin a node with another --id"
    )
    assert code == mended.returncode == 3
    assert line.startswith(f"{journal} is damaged at byte ")
    assert line.endswith(never)
    assert mended.stderr.strip().endswith(never)
    assert files_in(alice.directory) == before

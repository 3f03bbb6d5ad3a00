"""`aimarket network`, and the option that uses what it makes."""

import json
import stat
from pathlib import Path

import pytest

from node.config import make_network
from node.errors import UsageError
from node.names import peer_id_of
from node.network_file import load_network
from node.operate import place_of
from tests.builders import key
from tests.fakes_market import FakeMarket
from tests.node.cli_bench import run_main, served

ADDRESS = f"/ip4/192.0.2.7/tcp/7460/p2p/{peer_id_of(key('an'))}"


def place(network_file: Path | None, genesis: str | None = None, name: str | None = None) -> object:
    return place_of(
        node_id="alice",
        home=Path("/nowhere"),
        key_file=None,
        passphrase_file=None,
        network_file=network_file,
        network_genesis=genesis,
        network_name=name,
        join=None,
    )


def test_network_new__writes_a_file_that_nodes_take(tmp_path: Path) -> None:
    file = tmp_path / "club.toml"
    listed = tmp_path / "members"
    listed.write_text(f"# who\n\n{peer_id_of(key('bo'))}  bo, since May\n{key('cy').hex()}\n")
    asked = ("--member", peer_id_of(key("an")), "--member", str(listed), "--work-bits", "4")

    ended = run_main(["network", "new", "club", *asked, "--bootstrap", ADDRESS, "-o", str(file)])

    read = load_network(file)
    assert (ended.code, ended.err) == (0, "")
    assert read.network.network_id.hex() in ended.out
    assert read.network.params.members == tuple(sorted(map(key, ("an", "bo", "cy"))))
    assert read.network.params.record_work_bits == 4
    assert read.bootstrap == (ADDRESS,)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert place(file).network == read.network  # type: ignore[attr-defined]


def test_network_new__makes_another_one_each_time_and_prints_it() -> None:
    texts = {run_main(["network", "new", "club"]).out for _ in range(2)}

    assert len(texts) == 2


def test_network_new__overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "club.toml"
    file.write_text("precious")

    ended = run_main(["network", "new", "club", "-o", str(file)])

    assert ended.code == 1
    assert ended.err == f"Error: --output {file}: is there already, and is not overwritten\n"
    assert file.read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("club", "--work-bits", "21"), "--work-bits 21: need 0 to 20"),
        (("club", "--work-bits", "-1"), "--work-bits -1: need 0 to 20"),
        (("",), "1 to 64 bytes"),
        (("a\x07b",), "text that can be printed"),
        (("\udcff",), r"name = '\udcff': need text of real characters"),
        (("club", "--member", "bo"), "need a peer id"),
        (("club", "--member", peer_id_of(key("an")), "--member", key("an").hex()), "comes twice"),
        (("club", "--bootstrap", "nowhere"), "--bootstrap: bad address"),
        (("club", "--json"), "needs --output"),
    ],
)
def test_network_new__says_in_one_line_what_is_wrong(
    arguments: tuple[str, ...], complaint: str
) -> None:
    ended = run_main(["network", "new", *arguments])

    assert (ended.code, ended.out) == (2, "")
    assert complaint in ended.err
    assert ended.err.count("\n") == 1


def test_network_new__names_the_line_of_a_wrong_member(tmp_path: Path) -> None:
    listed = tmp_path / "members"
    listed.write_text(f"{peer_id_of(key('bo'))}\nbo\n")

    ended = run_main(["network", "new", "club", "--member", str(listed)])

    assert ended.code == 2
    assert f"{listed}:2 'bo': need a peer id" in ended.err


def test_network_show__shows_a_file(tmp_path: Path) -> None:
    file = tmp_path / "club.toml"
    member = peer_id_of(key("an"))
    run_main(["network", "new", "club", "--member", member, "-o", str(file)])

    shown = run_main(["network", "show", str(file)])
    document = json.loads(run_main(["network", "show", str(file), "--json"]).out)

    assert document["network_id"] in shown.out
    assert member in shown.out
    assert document["members"] == [member]
    assert document["limits"]["record_work_bits"] == 0
    assert document["bootstrap"] == []


def test_network_show__of_no_file_is_one_line(tmp_path: Path) -> None:
    ended = run_main(["network", "show", str(tmp_path / "none.toml")])

    assert ended.code == 2
    assert ended.err.endswith("none.toml: No such file or directory\n")
    assert "--network" not in ended.err


async def test_network_show__shows_that_of_the_running_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIMARKET_HOME", str(tmp_path))
    async with served(FakeMarket(), tmp_path) as run:
        shown = await run("network", "show")

    assert (shown.code, shown.err) == (0, "")
    assert "name              test" in shown.out


def test_place_of__takes_one_way_to_name_a_network(tmp_path: Path) -> None:
    file = tmp_path / "club.toml"
    run_main(["network", "new", "club", "-o", str(file)])

    with pytest.raises(
        UsageError, match=f"^--network-genesis .*: not together with --network {file}"
    ):
        place(file, genesis="07" * 16)
    with pytest.raises(UsageError, match=r"^--network-name"):
        place(file, name="club")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "\udcff", "a" * 65])
def test_make_network__takes_no_name_that_its_own_file_could_not_hold(name: str) -> None:
    with pytest.raises(UsageError, match=r"^--network-name.*need") as refused:
        make_network(name=name, genesis="07" * 16)

    assert str(refused.value).isprintable()

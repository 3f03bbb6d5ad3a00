"""Whether a node may begin in a network that lists its members."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from node.config import Config, make_config
from node.errors import StartError
from node.main import main
from node.membership import admitted
from node.names import key_of, peer_id_of
from node.operate import Place
from protocol.params import NetworkParams, network_of
from tests.builders import key
from tests.node.cli_bench import run_main

NAMES = "abcdef"


def a_config(members: str = "") -> Config:
    params = NetworkParams(genesis=b"\x05" * 16, members=tuple(sorted(map(key, members))))
    addresses = tuple(f"/ip4/192.0.2.7/tcp/7460/p2p/{peer_id_of(key(name))}" for name in NAMES)
    place = Place("alice", Path("/nowhere"), None, None, network_of(params), bootstrap=addresses)
    chosen = main.make_context("aimarket-node", ["--config", "/dev/null"]).params
    given = {name: chosen[name] for name in make_config.__annotations__ if name in chosen}
    return make_config(place, **given)


@settings(deadline=None)
@given(st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_admitted__takes_members_and_in_an_open_network_everybody(
    members: set[str], who: str
) -> None:
    config = a_config("".join(members))

    if members and who not in members:
        with pytest.raises(StartError, match=f"{peer_id_of(key(who))}, is not among the") as caught:
            admitted(config, key(who))
        assert "\n" not in str(caught.value)
    else:
        assert admitted(config, key(who)).network == config.network


@settings(deadline=None)
@given(st.sampled_from(NAMES))
def test_admitted__leaves_out_the_addresses_of_the_node_itself(who: str) -> None:
    config = a_config()

    found = admitted(config, key(who)).bootstrap

    assert len(found) == len(NAMES) - 1
    assert not any(one.endswith(peer_id_of(key(who))) for one in found)


def test_admitted__lets_a_node_that_runs_nothing_keep_the_log_of_others() -> None:
    assert admitted(replace(a_config("a"), task_types=()), key("b")).network


def test_key_new__makes_the_key_of_a_member_once(tmp_path: Path) -> None:
    arguments = ["key", "new", "--home", str(tmp_path), "--config", "/dev/null", "--id", "alice"]

    first = CliRunner().invoke(main, arguments)
    shown = CliRunner().invoke(main, [*arguments[:1], "show", *arguments[2:]])
    again = CliRunner().invoke(main, arguments)

    assert (first.exit_code, again.exit_code) == (0, 1)
    assert first.output == shown.output
    assert key_of(first.output.split()[2]) is not None
    assert "is not replaced" in again.output


def test_node__that_is_no_member_ends_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "club.toml"
    run_main(["network", "new", "club", "--member", key("a").hex(), "-o", str(file)])
    options = ["--config", "/dev/null", "--home", str(tmp_path), "--network", str(file)]

    ended = CliRunner().invoke(main, [*options, "--task-type", "echo"])

    assert ended.exit_code == 1
    assert ended.output.count("\n") == 1
    assert "is not among the 1 members of network 'club'; see docs/networks.md" in ended.output

"""The command that a node prints for the next machine leads into its network."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.introduction import joining_options
from node.main import main
from node.names import peer_id_of
from node.network_choice import choose_network
from node.network_file import NetworkFile, write_network
from protocol.params import NetworkParams, network_of
from tests.builders import key
from tests.node.test_network_file import params

ME = peer_id_of(key("me"))
ADDRESS = f"/ip4/192.0.2.7/tcp/7460/p2p/{ME}"
NAMES = st.sampled_from(["club", "our club", "club; touch owned #", "it's", "-n", "$(id)"])
named = st.builds(NetworkParams, genesis=st.binary(min_size=16, max_size=16), name=NAMES)


def test_joining_options__leave_the_shell_nothing_but_words() -> None:
    evil = network_of(NetworkParams(genesis=b"g" * 16, name="club; touch owned #"))

    words = shlex.shlex(joining_options(evil, ME, ADDRESS), posix=True, punctuation_chars=True)
    words.whitespace_split = True

    assert "club; touch owned #" in list(words)


@settings(deadline=None)
@given(one=params() | named | st.just(NetworkParams()))
def test_joining_options__lead_into_the_network(
    one: NetworkParams, tmp_path_factory: pytest.TempPathFactory
) -> None:
    network = network_of(one)
    said = joining_options(network, ME, ADDRESS)
    file = tmp_path_factory.mktemp("network") / "club.toml"
    file.write_text(write_network(NetworkFile(network, ())))

    options = shlex.split(said.replace("FILE", str(file)))
    context = main.make_context("aimarket-node", ["--config", "/dev/null", *options])
    given: dict[str, Any] = context.params
    chosen = choose_network(
        Path("/nowhere"),
        file=given["network_file"],
        genesis=given["network_genesis"],
        name=given["network_name"],
        link=given["join"],
    )

    assert chosen.network == network
    assert ADDRESS in (*given["bootstrap"], *chosen.bootstrap)

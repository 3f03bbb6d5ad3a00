"""The options of the light node, and what it says of wrong ones."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from node.bootstrap_main import DEFAULT_ID, LEFT_OUT, bootstrap
from node.main import main


def test_bootstrap__takes_every_option_but_those_of_models() -> None:
    here = {option.name for option in bootstrap.params}

    assert here == {option.name for option in main.params} - set(LEFT_OUT)
    assert {option.name for option in main.params} >= set(LEFT_OUT), "the node is left as it was"


def test_bootstrap__has_a_name_of_its_own_and_leaves_that_of_nodes_alone(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("seats = 5\n[nodes.bootstrap]\nrpc_port = 7999\n")

    light = bootstrap.make_context("aimarket-bootstrap", ["--config", str(file)]).params
    node = main.make_context("aimarket-node", ["--config", str(file)]).params

    assert (light["node_id"], light["rpc_port"]) == (DEFAULT_ID, 7999)
    assert (node["node_id"], node["rpc_port"]) == (None, None)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--disk-limit", "1"), "aimarket-bootstrap: --disk-limit 1: need at least 16 MiB\n"),
        (("--join", "junk"), "aimarket-bootstrap: --join: link 'junk': need one that begins"),
        (("--seats", "3"), "No such option"),
        (("--task-type", "echo"), "No such option"),
    ],
)
def test_bootstrap__says_in_one_line_what_is_wrong(options: Any, complaint: str) -> None:
    ended = CliRunner().invoke(bootstrap, ["--config", "/dev/null", *options])

    assert ended.exit_code == 2
    assert complaint in ended.output

"""A light node without what runs models: two members who never meet trade by it."""

import json
import sys
from pathlib import Path

import psutil
import pytest

from node.invite import read_invite
from node.keys import load_key
from node.names import peer_id_of
from tests.loopback.nodes import LOOPBACK, RealNode, aimarket, until

HEAVY = ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub")
PROGRAM = f"""
import sys
from importlib.abc import MetaPathFinder

class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
from node.bootstrap_main import bootstrap
bootstrap()
"""
MEMBERS = ("alice", "bob")


class LightNode(RealNode):
    """Runs `aimarket-bootstrap` where none of the heavy libraries can be imported."""

    def program(self) -> tuple[str, ...]:
        return (sys.executable, "-c", PROGRAM)


@pytest.mark.e2e
def test_bootstrap__keeps_for_one_member_what_another_said_and_says_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    keys = [load_key(home / name).signer.public_key for name in MEMBERS]
    file = home / "club.toml"
    listed = [part for key in keys for part in ("--member", key.hex())]
    assert aimarket(home, "network", "new", "club", *listed, "-o", str(file)).returncode == 0
    common = ("--listen", LOOPBACK, "--rpc-port", "0", "--network", str(file))
    hub = LightNode("hub", home, common)
    alice, bob = (RealNode(name, home, (*common, "--task-type", "echo")) for name in MEMBERS)
    try:
        hub.launch()
        hub.wait_ready()
        invited = json.loads(aimarket(home, "invite", "--id", "hub", "--json").stdout)
        assert invited["needs_file"]
        assert read_invite(invited["link"]).addresses == (hub.address,)

        alice.launch("--join", invited["link"])
        alice.wait_ready()
        task_id = alice.submit("for whoever comes", seats=1)
        records = alice.status()["records"]
        until(lambda: hub.status()["records"] == records, within_s=20, what="the hub has it all")
        assert alice.stop() == 0
        bob.launch("--join", invited["link"])
        bob.wait_serving()
        path = f"/tasks/{task_id}"
        until(lambda: bob.call("GET", path)[0] == 200, within_s=20, what="bob knows the task")

        status = hub.status()
        assert (status["ready"], status["model"], status["signing"]) == (True, "off", False)
        assert status["capabilities"] == []
        refused, said = hub.call("POST", "/tasks", {"text": "a"})
        assert (refused, said["message"]) == (
            400,
            "this node runs nothing; submit to one that does",
        )
        heard = {one["peer_id"]: one for one in bob.ask("/peers")}
        assert heard[status["peer_id"]]["connected"]
        assert not heard[status["peer_id"]]["live"], "it said nothing of itself"
        assert {peer["peer_id"] for peer in hub.ask("/peers")} >= {peer_id_of(keys[1])}
        assert psutil.Process(hub.pid).children(recursive=True) == [], "nothing that runs models"
        assert hub.stop() == 0
    finally:
        for node in (hub, alice, bob):
            node.close()

"""A node whose operator shows its dashboard to everybody."""

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.loopback.nodes import street

pytestmark = pytest.mark.e2e


def test_node__shows_everybody_what_it_knows_and_nobody_where_it_is(tmp_path: Path) -> None:
    with street(tmp_path) as town:
        alice, bob = town.node("alice"), town.node("bob", "--dashboard-public", "127.0.0.1:0")
        bob.launch()
        bob.wait_serving()
        found = re.search(
            r"^public dashboard at (http://127.0.0.1:\d+) \(whoever", bob.words(), re.M
        )
        assert found is not None, bob.words()
        url = found[1]
        left = json.loads((bob.directory / "rpc.json").read_text())
        alice.launch("--dashboard-public", url.removeprefix("http://"))
        taken = alice.wait_ended()
        with httpx.Client(base_url=url, trust_env=False) as client:
            page, status = client.get("/"), client.get("/status")
            change = client.post("/tasks", json={"text": "a"})
        stopped = bob.stop()

    assert left["public_url"] == url
    assert "is public: whoever can reach it can read it" in bob.words()
    assert taken == 1
    told = (
        f"--dashboard-public {url.removeprefix('http://')}: cannot be used (Address already in use)"
    )
    assert told in alice.words().splitlines()[-1]
    assert not (alice.directory / "rpc.json").exists()
    assert page.text.startswith("<!doctype html>")
    assert (status.json()["worker_id"], status.json()["addresses"]) == ("bob", [])
    assert (change.status_code, stopped) == (405, 0)

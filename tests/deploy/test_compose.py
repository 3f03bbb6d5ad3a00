"""The compose file: each node has its own key and volume, and nothing it can do without."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bootstrap.addresses import parse_address
from node.main import main
from node.passphrase import read_passphrase_file
from tests.deploy.recipes import COMPOSE, DOCKERFILE, only, services_of, stages_of, variables_of
from tests.loopback.nodes import ROOT, environment

BIN = Path(sys.executable).parent
PEER = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
FINAL = stages_of(DOCKERFILE.read_text())[-1]
SERVICES = services_of(COMPOSE, {"BOOTSTRAP_PEER": PEER})
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def test_file__is_what_compose_takes() -> None:
    checked = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout


@each_service
def test_service__can_do_no_more_than_it_must(service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["ulimits"]["core"] == 0
    assert {"privileged", "cap_add", "network_mode", "pid", "user", "devices"}.isdisjoint(service)


def test_nodes__share_neither_volume_nor_passphrase() -> None:
    home = variables_of(FINAL)["AIMARKET_HOME"]
    for name, service in SERVICES.items():
        assert service["volumes"] == [f"{name}:{home}"]
        assert service["secrets"] == [name]
        assert service["environment"]["AIMARKET_ID"] == name
        assert service["environment"]["AIMARKET_PASSPHRASE_FILE"] == f"/run/secrets/{name}"


@each_service
def test_environment__holds_only_settings_of_the_node(service: dict[str, Any]) -> None:
    known = {option.envvar for option in main.params}

    assert set(service["environment"]) <= known
    for address in service["environment"].get("AIMARKET_BOOTSTRAP", "").split():
        found = parse_address(address)
        assert (found.host, found.peer_id) == ("bootstrap", PEER)
        assert only(FINAL, "EXPOSE").rest == f"{found.port}/tcp"


def test_missing_peer_id__is_said_in_one_line(tmp_path: Path) -> None:
    alice = services_of(COMPOSE, {})["alice"]["environment"]
    ran = subprocess.run(
        [BIN / only(FINAL, "ENTRYPOINT").words[0]],
        cwd=tmp_path,
        env=environment(**alice, AIMARKET_HOME=str(tmp_path)),  # an empty value is none
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 2
    assert "BOOTSTRAP_PEER-is-not-set" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: files for another user need it")
def test_steps__make_passphrases_that_a_node_takes(tmp_path: Path) -> None:
    uid = int(only(FINAL, "USER").rest.split(":")[0])
    lines = [line.removeprefix("#   ") for line in COMPOSE.read_text().splitlines()]
    steps = lines[lines.index("for id in bootstrap alice bob carole; do") :]
    loop = "\n".join(steps[: steps.index("done") + 1]).replace("sudo ", "")

    subprocess.run(["sh", "-ec", loop], cwd=tmp_path, check=True)

    made = sorted((tmp_path / "secrets").iterdir())
    assert [path.name for path in made] == sorted(SERVICES)
    for path in made:
        assert path.stat().st_uid == uid
        os.chown(path, os.geteuid(), -1)  # a node reads its own files alone
        assert len(read_passphrase_file(path)) == 32


def test_docs__give_the_same_steps() -> None:
    steps = [line.removeprefix("#   ") for line in COMPOSE.read_text().splitlines()[2:]]
    steps = steps[: steps.index("name: aimarket")]
    docs = (ROOT / "docs" / "operating.md").read_text()

    for step in steps:
        assert inspect.cleandoc(step).split("  #")[0].strip() in docs, step

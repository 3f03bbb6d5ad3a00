"""The compose file: each node has its own key and volume, and nothing it can do without."""

import inspect
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bootstrap.leads import OpenPlace, parse_lead
from node.main import main
from node.passphrase import read_passphrase_file
from tests.deploy.recipes import (
    COMPOSE,
    DOCKERFILE,
    MAY_SKIP,
    only,
    services_of,
    stages_of,
    variables_of,
)
from tests.loopback.nodes import ROOT

BIN = Path(sys.executable).parent
FINAL = stages_of(DOCKERFILE.read_text())[-1]
SERVICES = services_of(COMPOSE, {})
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
        found = parse_lead(address)
        assert isinstance(found, OpenPlace)
        assert found.host in SERVICES
        assert only(FINAL, "EXPOSE").rest == f"{found.port}/tcp"


@each_service
def test_program__is_one_of_ours(service: dict[str, Any]) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    (program,) = service.get("entrypoint") or only(FINAL, "ENTRYPOINT").words

    assert program in scripts


@pytest.mark.skipif(
    MAY_SKIP and os.geteuid() != 0, reason="NOT TESTED: not root: files for another user need it"
)
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
    steps = [line.removeprefix("#   ") for line in COMPOSE.read_text().splitlines()[1:]]
    steps = steps[: steps.index("name: aimarket")]
    docs = (ROOT / "docs" / "operating.md").read_text()

    for step in steps:
        assert inspect.cleandoc(step).split("  #")[0].strip() in docs, step

"""Reads what is deployed with: the Dockerfile, the compose file and the systemd unit."""

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.loopback.nodes import ROOT

DOCKERFILE = ROOT / "Dockerfile"
IGNORED = ROOT / ".dockerignore"
COMPOSE = ROOT / "deploy" / "compose.yaml"
UNIT = ROOT / "deploy" / "aimarket-node@.service"
MAY_SKIP = os.environ.get("AIMARKET_REQUIRE_NETNS") != "1"  # else what is missing is a failure
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile; `rest` is what stands behind its name, on one line."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """Return the command of an instruction in exec form."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


def stages_of(dockerfile: str) -> list[list[Instruction]]:
    """Return the instructions of each stage; the first of each is its FROM."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    stages: list[list[Instruction]] = []
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append(Instruction(name, rest.strip()))
    return stages


def only(stage: list[Instruction], name: str) -> Instruction:
    """Return the one instruction of a name."""
    (found,) = (one for one in stage if one.name == name)
    return found


def variables_of(stage: list[Instruction]) -> dict[str, str]:
    """Return what a stage puts into the environment."""
    words = [word for one in stage if one.name == "ENV" for word in shlex.split(one.rest)]
    return dict(word.split("=", 1) for word in words)


def services_of(compose: Path, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the services of a compose file, with variables filled in as compose does."""
    services: dict[str, Any] = _filled(yaml.safe_load(compose.read_text())["services"], given)
    return services


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, given) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, given) for each in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: given.get(found[1]) or found[2] or "", value)
    return value


def settings_of(unit: str) -> Iterator[tuple[str, str]]:
    """Walk the settings of a unit; one may come several times."""
    for line in unit.splitlines():
        if "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name, value


def setting(unit: str, name: str) -> str:
    """Return the value of the one setting of a name."""
    (value,) = (value for one, value in settings_of(unit) if one == name)
    return value

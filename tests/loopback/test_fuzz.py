"""A real node under thousands of requests made from its own description."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.loopback.nodes import RealNode, environment, street

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

CASES_MIN = 500
SEED = 1
# What a task type makes of a text, and which types and models there are, no schema can say: so a
# task that fits the schema may be refused. Nor does its form make a certificate true. Nobody waits
# for tasks that nobody else is there to run.
CONFIG = """
[parameters]
"query.wait" = 0

[[operations]]
include-name = "POST /tasks"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = "POST /certificates/verify"
checks.positive_data_acceptance.enabled = false
"""
# A stream never ends, and the log is bytes of which no schema can say what is valid.
LEFT_OUT = ("--exclude-path", "/events", "--exclude-path", "/log")


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    with street(tmp_path_factory.mktemp("fuzz")) as found:
        node = found.node("alice")
        node.launch()
        node.wait_ready()
        yield node


def fuzz(node: RealNode, folder: Path, *options: str, token: str | None) -> tuple[int, str]:
    """Return how many requests were made, and what was found; fails if anything was."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    document = folder / "openapi.json"
    document.write_text(json.dumps(node.ask("/openapi.json")))
    access = [] if token is None else ["-H", f"Authorization: Bearer {token}"]
    command = ["-m", "schemathesis.cli", "--config-file", str(config), "run", str(document)]
    command += ["--url", url_of(node), "--seed", str(SEED), "--no-color", *LEFT_OUT, *access]
    ended = subprocess.run(
        [sys.executable, *command, *options],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=350,
        check=False,
    )
    words = ended.stdout + ended.stderr
    cases = re.search(r"(\d+) generated", words)
    assert cases is not None, words
    assert ended.returncode == 0, words
    return int(cases.group(1)), words


def url_of(node: RealNode) -> str:
    found: str = json.loads((node.directory / "rpc.json").read_text())["url"]
    return found


def state_of(node: RealNode) -> tuple[object, ...]:
    """Return all of a node that a request could change."""
    status = node.status()
    journal = (node.directory / "journal").read_bytes()
    return status["state_digest"], status["records"], status["tasks"], journal


def test_rpc__does_what_it_says_of_itself(alice: RealNode, tmp_path: Path) -> None:
    token = json.loads((alice.directory / "rpc.json").read_text())["token"]
    phases = ("--phases", "examples,coverage,fuzzing", "--max-examples", "20")

    cases, _ = fuzz(alice, tmp_path, *phases, token=token)

    assert cases >= CASES_MIN
    assert alice.is_running
    assert alice.count("open") > 0, "some of it was submitted"


def test_rpc__changes_nothing_without_the_token(alice: RealNode, tmp_path: Path) -> None:
    before = state_of(alice)
    # Only the documented refusals may come, so every answer is held against the description.
    checks = ("--checks", "not_a_server_error,status_code_conformance,response_schema_conformance")
    phases = ("--phases", "examples,coverage,fuzzing", "--max-examples", "20")

    cases, _ = fuzz(alice, tmp_path, *phases, *checks, token=None)
    plain = httpx.post(f"{url_of(alice)}/tasks", json={"text": "a"}, trust_env=False)

    assert cases >= CASES_MIN
    assert plain.status_code == 401
    assert state_of(alice) == before

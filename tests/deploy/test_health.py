"""The image's health check, as written there, against a node that runs as it says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.recipes import DOCKERFILE, only, stages_of, variables_of
from tests.loopback.nodes import LOOPBACK, RealNode, environment

pytestmark = pytest.mark.e2e

FINAL = stages_of(DOCKERFILE.read_text())[-1]
NOBODY = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"


class Container(RealNode):
    """A node that is started by the image's ENTRYPOINT, with the image's environment."""

    def program(self) -> tuple[str, ...]:
        return tuple(only(FINAL, "ENTRYPOINT").words)

    def surroundings(self) -> dict[str, str]:
        image = variables_of(FINAL)
        path = image["PATH"].replace("/opt/aimarket/bin", str(Path(sys.executable).parent))
        return environment(
            PATH=path.replace("$PATH", os.environ["PATH"]), AIMARKET_HOME=str(self.home)
        )

    def launch(self, *options: str) -> None:
        os.environ["PATH"], before = self.surroundings()["PATH"], os.environ["PATH"]
        try:
            super().launch(*options)
        finally:
            os.environ["PATH"] = before

    def check(self, *more: str) -> tuple[int, str]:
        """Run the health check; return its exit code and what it said."""
        ran = subprocess.run(
            [*only(FINAL, "HEALTHCHECK").words, *more],
            env=self.surroundings(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in ran.stderr
        return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    genesis = os.urandom(16).hex()
    options = ("--listen", LOOPBACK, "--rpc-port", "0", "--task-type", "echo")
    made = Container("node", tmp_path / "home", (*options, "--network-genesis", genesis))
    made.home.mkdir()
    try:
        yield made
    finally:
        made.close()


def test_health_check__tells_a_node_that_serves_from_one_that_does_not(
    container: Container,
) -> None:
    before = container.check()
    container.launch()
    container.wait_ready()
    ready = container.check(), container.check("--ready")
    container.stop()
    after = container.check()
    container.launch("--bootstrap", NOBODY)
    container.wait_serving()
    lonely, not_ready = container.check(), container.check("--ready")

    assert before[0] == after[0] == 69
    assert lonely == (0, "ok\n")
    assert not_ready[0] == 75
    assert "not_ready" in not_ready[1]  # what it waits for changes by itself: model, peer
    assert ready == ((0, "ok\n"), (0, "ready\n"))

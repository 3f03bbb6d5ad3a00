"""The task type of docs/task-types.md, as somebody else's package."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from node.inference.registry import find_task_types
from tests.loopback.nodes import street, wait_final
from tests.node.inference_builders import a_running_service

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples" / "word_count"
TEXT = "  four words,\tor\nfive? "
ANSWER = "4"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package far from the tree, and install it into a folder of its own."""
    source = tmp_path_factory.mktemp("source") / "word_count"
    target = tmp_path_factory.mktemp("target")
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    quiet = ("--quiet", "--disable-pip-version-check", "--no-index")
    alone = ("--no-deps", "--no-build-isolation", "--target", str(target))

    subprocess.run(
        [sys.executable, "-m", "pip", "install", *quiet, *alone, str(source)],
        cwd=target,
        check=True,
    )

    return target


async def test_word_count__is_found_and_runs_in_a_real_worker(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    found = find_task_types()["word-count"]

    async with a_running_service(found) as node:
        result = await node.ask("word-count", TEXT)
        bad = await node.service.infer(node.service.default_capability("word-count"), b"\xff")

    assert Path(sys.modules["word_count"].__file__ or "").parent == installed
    assert result.answer.value.decode() == ANSWER
    assert bad.answer.value == b"bad-input"


def test_page__shows_the_package_as_it_is() -> None:
    page = (ROOT / "docs" / "task-types.md").read_text()

    for name in ("word_count.py", "pyproject.toml"):
        assert (SOURCE / name).read_text() in page
    assert len((SOURCE / "word_count.py").read_text().splitlines()) < 40


@pytest.mark.e2e
def test_word_count__is_judged_by_real_nodes_that_have_it(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    with street(tmp_path) as town:
        alice, bob = (town.node(name, "--task-type", "word-count") for name in ("alice", "bob"))
        alice.launch()
        alice.wait_serving()
        bob.launch("--bootstrap", alice.address)
        alice.wait_ready()
        bob.wait_ready()

        task_id = bob.submit(TEXT, type="word-count", seats=1)
        for node in (bob, alice):
            wait_final(node, [task_id], within_s=30)
        seen = [node.ask(f"/tasks/{task_id}") for node in (bob, alice)]

    assert [one["answer"] for one in seen] == [ANSWER] * 2
    assert [one["worker_id"] for one in seen[0]["jurors"]] == ["alice"]

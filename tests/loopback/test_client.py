"""`aimarket` with many tasks, and following them, against real nodes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loopback.nodes import ROOT, aimarket, environment, street

TASKS = 60


@pytest.mark.e2e
def test_submit__asks_many_real_tasks_once_and_watch_sees_each_verdict(tmp_path: Path) -> None:
    (tmp_path / "tasks.txt").write_text("".join(f"text {n}\n" for n in range(TASKS)))
    many = ("submit", "--file", str(tmp_path / "tasks.txt"), "--wait", "--json", "--id", "an")
    with street(tmp_path) as town:
        town.open("an", "bo", "cy")
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "node.cli",
                "watch",
                "--json",
                "--type",
                "verdict",
                "--after",
                "0-0",  # of no run: from the oldest event on, however late it connects
                "--id",
                "bo",
            ],
            cwd=ROOT,
            env=environment(AIMARKET_HOME=str(town.home)),
            stdout=subprocess.PIPE,
            text=True,
        ) as watching:
            try:
                first = aimarket(town.home, *many, "--request-id-prefix", "once")
                again = aimarket(town.home, *many, "--request-id-prefix", "once")
                final: set[str] = set()
                assert watching.stdout is not None
                while len(final) < TASKS:
                    event = json.loads(watching.stdout.readline())
                    if event.get("state") == "final":  # a gap has none
                        final.add(event["task_id"])
            finally:
                watching.terminate()

    tasks = [json.loads(line) for line in first.stdout.splitlines()]
    assert (first.returncode, first.stderr, again.returncode) == (0, "", 0)
    assert [task["text"] for task in tasks] == [f"text {n}" for n in range(TASKS)]
    assert {task["chain_state"] for task in tasks} == {"final"}
    ids = [task["task_id"] for task in tasks]
    assert [json.loads(line)["task_id"] for line in again.stdout.splitlines()] == ids
    assert final == {attempt["task_id"] for task in tasks for attempt in task["attempts"]}

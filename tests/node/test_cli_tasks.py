"""`aimarket tasks`: what it asks a node for, and that it stops where there is no more."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes_market import BOB, FakeMarket, a_task
from tests.node.cli_bench import served

TASKS = 230  # more than two pages


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("AIMARKET_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AIMARKET_HOME", str(tmp_path))
    return tmp_path


def a_full_market() -> FakeMarket:
    market = FakeMarket()
    for number in range(TASKS):
        task = a_task(f"{number:064x}", submitter=BOB) if number % 2 else a_task(f"{number:064x}")
        market.known[task.task_id] = replace(task, task_type="echo" if number % 5 else "sentiment")
    return market


@pytest.mark.parametrize(
    ("args", "count"),
    [
        (["--all"], TASKS),
        (["--all", "--mine"], TASKS // 2),
        (["--limit", "120"], 120),
        ([], 50),
        (["--all", "--type", "sentiment"], TASKS // 5),
        (["--all", "--state", "final"], 0),
    ],
)
async def test_tasks__lists_what_fits_from_as_many_pages_as_it_takes(
    home: Path, args: list[str], count: int
) -> None:
    async with served(a_full_market(), home) as run:
        ended = await run("tasks", *args, "--json")

    document = json.loads(ended.out)
    ids = [task["task_id"] for task in document["tasks"]]
    assert (ended.code, ended.err, document["schema"]) == (0, "", 1)
    assert len(set(ids)) == len(ids) == count
    assert ids == sorted(ids, reverse=True)

"""The examples of docs/client.md, run as they stand there."""

import os
import sys
from functools import partial
from pathlib import Path

import trio

from node.feed import News
from node.rpc.server import serve_rpc
from node.rpc.token import RpcFile, write_rpc_file
from tests.fakes_market import FakeMarket, a_reporter, services

ROOT = Path(__file__).parents[2]
TOKEN = "a" * 64


def examples() -> list[str]:
    page = (ROOT / "docs" / "client.md").read_text()
    return [block.partition("```")[0] for block in page.split("```python\n")[1:]]


async def test_client_page__has_examples_that_run(tmp_path: Path) -> None:
    market, reporter = FakeMarket(), a_reporter(run="cafe0001")
    market.decide_at_once = True
    reporter.feed.add([News("cancel", bytes(32))])
    sync, with_trio, events = examples()
    events = f'seen = "cafe0001-0"\n{events}'.replace('"verdict"', '"cancel"')
    events = events.replace('["state"]', '["task_id"]')
    environment = {**os.environ, "AIMARKET_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}

    async with trio.open_nursery() as nursery:
        serve = partial(serve_rpc, services(market, reporter), port=0, token=TOKEN)
        url = await nursery.start(serve)
        (tmp_path / "alice").mkdir()
        write_rpc_file(tmp_path / "alice" / "rpc.json", RpcFile(url, TOKEN, os.getpid(), "alice"))
        ended = await trio.run_process(
            [sys.executable, "-c", f"{sync}\n{events}\n{with_trio}"],
            env=environment,
            capture_stdout=True,
        )
        nursery.cancel_scope.cancel()

    told = ended.stdout.decode().splitlines()
    assert told[0] == "final positive"
    assert [len(line) for line in told[1:3]] == [64, 64]
    assert told[3:] == [f"cafe0001-1 {'00' * 32}", "positive"]

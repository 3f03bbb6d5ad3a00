"""`aimarket explain`, `aimarket worker` and `aimarket diff`, and the routes they ask."""

import contextlib
import io
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from node.cli import main
from node.rpc.server import serve_rpc
from node.rpc.token import RpcFile, write_rpc_file
from tests.fakes_explain import (
    DIFFERENT,
    RECORD_ID,
    TASK_ID,
    FakeDiffer,
    FakeExplainer,
    a_task_why,
)
from tests.fakes_market import FakeMarket, services

TOKEN = "a" * 64
HOSTILE = "\x1b[31mred\x1b[0m\u202e\nfake"


@dataclass
class Ended:
    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Ended]]


def run_main(*args: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(args))
    return Ended(code, out.getvalue(), err.getvalue())


@asynccontextmanager
async def serving(
    explainer: FakeExplainer | None = None, differ: FakeDiffer | None = None
) -> AsyncIterator[str]:
    offered = services(FakeMarket(), explainer=explainer, differ=differ)
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(serve_rpc, offered, port=0, token=TOKEN))
        nursery.cancel_scope.cancel()


@pytest.fixture
async def explainer() -> FakeExplainer:
    return FakeExplainer()


@pytest.fixture
async def differ() -> FakeDiffer:
    return FakeDiffer()


@pytest.fixture
async def run(
    explainer: FakeExplainer,
    differ: FakeDiffer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Run]:
    monkeypatch.setenv("AIMARKET_HOME", str(tmp_path))
    async with serving(explainer, differ) as url:
        (tmp_path / "alice").mkdir()
        content = RpcFile(url, TOKEN, os.getpid(), "alice")
        write_rpc_file(tmp_path / "alice" / "rpc.json", content)

        async def run(*args: str) -> Ended:
            return await trio.to_thread.run_sync(run_main, *args)

        yield run


async def test_explain__shows_a_task_in_plain_lines(run: Run) -> None:
    ended = await run("explain", TASK_ID)

    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert lines[:3] == [f"task {TASK_ID}", "seated", "sentiment cdcdcdcd: what a day"]
    assert lines[3].startswith("asked by an~nAnAn1 (this node) at 20")
    assert "  seats 3, so the quorum is 3 // 2 + 1 = 2" in lines
    assert "   0  bo~oBoBo2 waits" in lines
    assert "  1  00000000 split, 3 seats" in lines
    assert "  2  11111111 seated, 3 seats, this one" in lines
    assert "  now       bo~oBoBo2 did not open yet" in lines
    assert "  in 3.2 s  then" in lines
    assert "  live  bo~oBoBo2 heard 2.5 s ago, 1 runs wait there" in lines
    assert "  gone  an~nAnAn1 never heard" in lines
    assert "  commit  33333333 bo~oBoBo2 +0.051 s" in lines
    assert any(line.startswith("  commit  -------- an~nAnAn1 (its record") for line in lines)
    assert "\x1b" not in ended.out


async def test_explain__shows_a_worker_and_a_record(run: Run) -> None:
    worker, record = await run("explain", "bo"), await run("explain", RECORD_ID)

    assert (worker.code, record.code) == (0, 0)
    assert "leaderboard   1 of 3" in worker.out
    assert "  points = 2" in worker.out
    assert "  an~nAnAn1 2 agreed, 1 dissented, 0 excused, 0 absent" in worker.out
    assert "  and 4 more submitters" in worker.out
    assert "  +1  11111111 final: positive, agreed, asked by an~nAnAn1" in worker.out
    assert record.out.startswith(f"record {RECORD_ID}\nsigned by an~nAnAn1 at 20")
    assert "task  asks 3 seats (task 11111111, which this node does not know)" in record.out


async def test_explain__prints_one_document(run: Run) -> None:
    documents = {
        what: json.loads((await run("explain", what, "--json")).out)
        for what in (TASK_ID, RECORD_ID, "bo")
    }

    assert [one["kind"] for one in documents.values()] == ["task", "record", "worker"]
    assert documents[TASK_ID]["task"]["next"][1] == {
        "kind": "retry",
        "text": "then",
        "in_s": 3.25,
        "workers": [],
    }
    assert documents["bo"]["worker"]["worker"]["rank"] == 1
    assert documents["bo"]["task"] is None


async def test_worker__shows_one_worker(run: Run, explainer: FakeExplainer) -> None:
    plain, document = await run("worker", "bo"), await run("worker", "bo", "--json")

    assert "points        2; 1 dissented, 0 excused, 0 absent, 0 faults" in plain.out
    assert "here          live, connected, heard 1.5 s ago" in plain.out
    assert json.loads(document.out)["standing"]["points"] == 2
    assert explainer.asked == ["bo", "bo"]


async def test_explain__ends_with_one_line_for_what_is_unknown_or_ambiguous(run: Run) -> None:
    unknown, ambiguous = await run("explain", "nobody"), await run("worker", "b")

    assert (unknown.code, ambiguous.code) == (1, 1)
    assert unknown.err == "Error: nobody: no worker is called so (unknown)\n"
    assert ambiguous.err == "Error: b: could be worker bo or worker Bo (ambiguous)\n"
    assert unknown.out == ambiguous.out == ""


async def test_explain__hands_over_any_name(run: Run, explainer: FakeExplainer) -> None:
    names = ["a/b", "/ip4/192.0.2.7/p2p/12D3", "ä ?#%", ".."]

    for name in names:
        await run("explain", name)

    assert explainer.asked == names


async def test_explain__lets_no_stranger_command_the_terminal(
    run: Run, explainer: FakeExplainer
) -> None:
    task = a_task_why(text=HOSTILE)
    said = replace(task.records[0], record_id=HOSTILE, kind=HOSTILE)
    juror = replace(task.jurors[0], because=HOSTILE)
    step = replace(task.next[0], text=HOSTILE)
    explainer.task = replace(
        task,
        task_type=HOSTILE,
        answer=HOSTILE,
        because=(HOSTILE,),
        jurors=(juror,),
        next=(step,),
        records=(said,),
    )

    ended = await run("explain", TASK_ID)

    assert ended.code == 0
    assert all(line.isprintable() for line in ended.out.split("\n"))
    assert not any(line.startswith("fake") for line in ended.out.split("\n"))


async def test_diff__exits_1_and_names_what_differs(run: Run, differ: FakeDiffer) -> None:
    equal = await run("diff", "--of", "bo")
    differ.found = DIFFERENT
    plain, document = await run("diff", "--of", "bo"), await run("diff", "--of", "bo", "--json")
    absent = await run("diff", "--of", "nobody")

    lines = plain.out.splitlines()
    assert (equal.code, plain.code, document.code, absent.code) == (0, 1, 1, 1)
    assert equal.out.startswith("bo~oBoBo2 holds the same records and computes the same state\n")
    assert lines[0] == "bo~oBoBo2 lacks 1 record, this node lacks 30 records"
    assert "  there  cdcdcdcdcdcdcdcd over 13 records" in lines
    assert "  11111111  unknown here, records: 1 only here" in lines
    assert "bo~oBoBo2 lacks 1 record" in lines
    assert any(line.startswith("  22222222  task of task 11111111 by an~nAnAn1") for line in lines)
    assert "This node lacks 30 records, of which the first 1" in lines
    assert "  44444444  named, but not sent" in lines
    assert json.loads(document.out)["verdict"] == "differ"
    assert absent.err == "Error: nobody is not connected (unknown_peer)\n"


async def test_openapi__tells_what_an_explanation_is() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        serving() as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
    ):
        document = (await client.get("/openapi.json")).json()

    told = document["paths"]["/explain/{what}"]["get"]["responses"]["200"]
    name = told["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    assert set(document["components"]["schemas"][name]["properties"]) == {
        *("kind", "task", "worker", "record"),
    }
    assert {"/workers/{worker}", "/diff/{peer}"} <= set(document["paths"])

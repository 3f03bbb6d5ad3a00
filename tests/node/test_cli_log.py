"""`aimarket log export` and `import`, and the routes they ask, over real connections."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from consensus import log
from node.archive import NodeArchive
from node.cli import main
from node.core.events import Started
from node.errors import StoreError
from node.log_check import check_log
from node.log_file import Header, frame, log_chunks, pack_header
from node.log_port import Archive, TakenView
from node.rpc.guard import LOG_BYTES_MAX
from node.rpc.server import serve_rpc
from node.rpc.token import RpcFile, write_rpc_file
from protocol.ids import Digest
from protocol.params import NetworkParams, network_of
from protocol.record import Verified
from tests.builders import NETWORK, a_record, a_task
from tests.certificates import DAY, rows_of
from tests.fakes_log import FakeArchive
from tests.fakes_market import FakeMarket, a_status, services
from tests.node.cli_bench import Ended, run_main
from tests.node.shell_bench import Bench, a_bench

TOKEN = "a" * 64
OCTETS = {"Content-Type": "application/octet-stream"}
WHOLE = b"".join(log_chunks(rows_of(DAY), NETWORK))


@dataclass
class Served:
    """A node on a port, as `aimarket --id alice` finds it."""

    url: str
    home: Path

    async def run(self, *args: str, stdin: bytes = b"") -> Ended:
        command = ["log", *args, "--id", "alice"]
        return await trio.to_thread.run_sync(run_main, command, stdin)

    async def export(self) -> subprocess.CompletedProcess[bytes]:
        """Run the command in a process of its own: its output is bytes."""
        command = [sys.executable, "-m", "node.cli", "log", "export", "--id", "alice"]
        return await trio.run_process(
            command,
            env={**os.environ, "AIMARKET_HOME": str(self.home)},
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )


@asynccontextmanager
async def served(archive: Archive, home: Path) -> AsyncIterator[Served]:
    market = FakeMarket()
    market.shown = replace(a_status(), network_id=NETWORK.network_id.hex())
    async with trio.open_nursery() as nursery:
        offered = services(market, archive=archive)
        url = await nursery.start(partial(serve_rpc, offered, port=0, token=TOKEN))
        (home / "alice").mkdir()
        write_rpc_file(home / "alice" / "rpc.json", RpcFile(url, TOKEN, os.getpid(), "alice"))
        yield Served(url, home)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Bench, NodeArchive]]:
    bench = a_bench("alice")
    async with trio.open_nursery() as nursery:
        await bench.loop.tell(Started())
        await nursery.start(bench.loop.run)
        yield bench, NodeArchive(bench.loop, bench.log, NETWORK, node_id="alice")
        nursery.cancel_scope.cancel()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIMARKET_HOME", str(tmp_path))
    return tmp_path


def file_of(home: Path, data: bytes) -> str:
    path = home / "the.log"
    path.write_bytes(data)
    return str(path)


def forged(records: Sequence[Verified]) -> bytes:
    """Write a file whose sum is right, whatever it holds."""
    header = Header(NETWORK, len(records), Digest(bytes(32)))
    body = pack_header(header) + b"".join(frame(one.raw) for one in records) + bytes(4)
    return body + hashlib.sha256(body).digest()


async def test_export__then_import__gives_another_node_the_same_state(home: Path) -> None:
    async with running() as (bench, archive), served(archive, home) as node:
        taken = await node.run("import", file_of(home, WHOLE))
        file = await node.export()

        assert (taken.code, taken.err) == (0, "")
        assert taken.out == "8 records: 8 new, 0 known, 0 refused\n"
        assert (file.returncode, file.stderr) == (0, b"")
        assert file.stdout == WHOLE
        assert check_log(io.BytesIO(file.stdout)).state_digest == log.state_digest(bench.log)


async def test_import__may_be_repeated_and_piped(home: Path) -> None:
    async with running() as (_, archive), served(archive, home) as node:
        await node.run("import", file_of(home, WHOLE))

        again = await node.run("import", "-", "--json", stdin=WHOLE)

    assert again.code == 0
    assert '"new": 0' in again.out
    assert '"known": 8' in again.out


async def test_import__sends_many_records_in_bounded_requests(home: Path) -> None:
    large = [a_record("an", a_task("x" * 16_000, nonce=n)) for n in range(40)]
    archive = FakeArchive()
    async with served(archive, home) as node:
        done = await node.run("import", file_of(home, forged(large)))

    assert done.out == "40 records: 40 new, 0 known, 0 refused\n"
    assert archive.given == [record.raw for record in large]


async def test_import__tells_what_was_refused_and_exits_with_1(home: Path) -> None:
    own = a_record("alice", a_task("mine"))
    async with running() as (bench, archive), served(archive, home) as node:
        done = await node.run("import", file_of(home, forged([own, DAY[0]])))

        assert log.record_count(bench.log) == 1
    assert (done.code, done.out) == (1, "2 records: 1 new, 0 known, 1 refused\n")
    assert "aimarket-node adopt --id alice" in done.err


async def test_import__of_a_cut_file_says_what_is_in_already(home: Path) -> None:
    async with running() as (bench, archive), served(archive, home) as node:
        done = await node.run("import", file_of(home, WHOLE[:-40]))

        assert log.record_count(bench.log) == 7
    assert done.code == 2
    assert "was cut, it ends in the middle after 7 of 8 records" in done.err
    assert "7 records before that were taken in or known, 0 of them refused" in done.err


async def test_import__refuses_another_network_at_once(home: Path) -> None:
    other = network_of(NetworkParams(genesis=b"\x02" * 16, name="other"))
    archive = FakeArchive()
    async with served(archive, home) as node:
        file = b"".join(log_chunks(rows_of([]), other))
        done = await node.run("import", file_of(home, file))
        none = await node.run("import", file_of(home, b"no log"))

    assert (done.code, none.code) == (2, 2)
    assert f"of network {other.network_id.hex()} (other), the node is of" in done.err
    assert "does not begin with" in none.err
    assert archive.given == []


async def test_export__of_a_node_that_fails_says_that_the_file_is_cut(home: Path) -> None:
    class Failing:
        async def export(self) -> AsyncGenerator[bytes]:
            yield WHOLE[:100]
            raise StoreError("the disk does not answer")

        async def take(self, body: bytes) -> TakenView:
            raise AssertionError

    async with served(Failing(), home) as node:
        file = await node.export()

    assert (file.returncode, file.stdout) == (69, WHOLE[:100])
    assert b"the file is cut after 100 bytes" in file.stderr


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", OCTETS, 200, None),
        (b"\0", OCTETS, 400, "bad_records"),
        (b"\0" * (LOG_BYTES_MAX + 1), OCTETS, 413, "body_too_large"),
        (b"", {"Content-Type": "application/json"}, 415, "not_json"),
        (b"", {**OCTETS, "Authorization": "Bearer b"}, 401, "unauthorized"),
        (b"", {**OCTETS, "Origin": "http://example.org"}, 403, "wrong_origin"),
    ],
)
async def test_take__refuses_requests_it_cannot_serve(
    home: Path, body: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    async with (
        running() as (_, archive),
        served(archive, home) as node,
        httpx.AsyncClient(base_url=node.url, trust_env=False) as client,
    ):
        sent = {"Authorization": f"Bearer {TOKEN}", **headers}
        answer = await client.post("/log", content=body, headers=sent)
        bare = await client.get("/log")

    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert bare.status_code == 401


def test_log__imports_nothing_heavy() -> None:
    script = "import sys, node.cli, node.commands_log; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())

    assert not loaded & {"libp2p", "torch", "transformers", "pydantic", "fastapi", "trio", "rich"}
    assert not loaded & {"consensus.log", "protocol.record", "nacl"}, "other commands pay for it"


def test_import__names_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "import", "/nowhere/the.log"]) == 2
    assert "/nowhere/the.log" in capsys.readouterr().err

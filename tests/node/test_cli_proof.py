"""`aimarket certificate` and `aimarket verify`, and the route the first one asks."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from consensus import log
from node.certificate_file import pack_certificate
from node.cli import main
from node.log_file import log_chunks
from node.rpc.server import serve_rpc
from tests.builders import NETWORK, a_record, a_task, id_of
from tests.certificates import DAY, TASK_ID, a_certificate, a_chain, of_every_state, rows_of
from tests.fakes_market import FakeMarket, services

TOKEN = "a" * 64
HEAVY = ("libp2p", "torch", "transformers", "pydantic", "fastapi", "trio", "httpx", "plyvel")


@dataclass
class Ended:
    code: int
    out: str
    err: str


def run_main(*args: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(args))
    return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "proof.json"
    path.write_bytes(pack_certificate(a_certificate()))
    return path


async def test_certificate__prints_the_file_that_the_node_wrote(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    raw = pack_certificate(a_certificate())
    async with trio.open_nursery() as nursery:
        serve = partial(serve_rpc, services(FakeMarket()), port=0, token=TOKEN)
        url = await nursery.start(serve)
        where = ("--rpc", url, "--token-file", str(token_file))
        ask = partial(trio.to_thread.run_sync, run_main)
        printed = await ask("certificate", TASK_ID.hex()[:8], *where)
        unknown = await ask("certificate", "00000000", *where)
        async with httpx.AsyncClient(trust_env=False) as http:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            given = await http.get(f"{url}/tasks/{TASK_ID.hex()}/certificate", headers=headers)
        nursery.cancel_scope.cancel()

    assert (printed.code, printed.out.encode()) == (0, raw)
    assert (given.status_code, given.content) == (200, raw)
    assert unknown.code == 1
    assert "knows no such task" in unknown.err


@pytest.mark.parametrize("name", sorted(of_every_state()))
def test_verify__shows_what_is_proven_and_what_is_not(name: str, tmp_path: Path) -> None:
    task_id, records = of_every_state()[name]
    path = tmp_path / "proof.json"
    path.write_bytes(pack_certificate(a_certificate(records, task_id)))

    shown, as_json = run_main("verify", str(path)), run_main("verify", str(path), "--json")

    told = json.loads(as_json.out)
    assert (shown.code, as_json.code, shown.err) == (0, 0, "")
    assert shown.out.splitlines()[0] == f"task {task_id.hex()}"
    assert told["proven"] is True
    assert told["task_id"] == task_id.hex()
    for line in (*told["proves"], *told["does_not_prove"]):
        assert line in shown.out


def test_verify__reads_what_is_piped_in(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))

    assert run_main("verify", "-").code == 0


def test_verify__holds_the_file_to_a_task_and_a_network(file: Path) -> None:
    network_id = a_certificate().network.network_id.hex()

    right = run_main("verify", str(file), "--task", TASK_ID.hex().upper(), "--network", network_id)
    other_task = run_main("verify", str(file), "--task", "11" * 32)
    other_network = run_main("verify", str(file), "--network", "11" * 16, "--json")

    assert right.code == 0
    assert (other_task.code, other_task.out) == (1, "")
    assert f"it is about {TASK_ID.hex()}" in other_task.err
    assert other_network.code == 1
    assert json.loads(other_network.out)["proven"] is False
    assert f"it is of network {network_id}" in other_network.err


def test_verify__takes_the_id_of_any_attempt(tmp_path: Path) -> None:
    task_id, records = a_chain()
    certificate = a_certificate(records, task_id)
    path = tmp_path / "proof.json"
    path.write_bytes(pack_certificate(certificate))

    for attempt in certificate.claim.attempts:
        assert run_main("verify", str(path), "--task", attempt.task_id.hex()).code == 0


def test_verify__ends_with_1_if_the_records_say_something_else(file: Path) -> None:
    file.write_text(file.read_text().replace('"answer": "positive"', '"answer": "negative"'))

    ended = run_main("verify", str(file))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Error: not proven: claim.attempts[0].answer: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[]", b'{"format": "else"}'])
def test_verify__ends_with_2_if_it_cannot_be_read(raw: bytes, file: Path) -> None:
    file.write_bytes(raw)

    ended = run_main("verify", str(file))

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1


def test_verify__ends_with_2_if_there_is_no_file(tmp_path: Path) -> None:
    assert run_main("verify", str(tmp_path / "none")).code == 2
    assert run_main("verify", str(tmp_path)).code == 2


def test_verify__lets_no_text_command_the_terminal(tmp_path: Path) -> None:
    task = a_task("\x1b[31mred\u202e")
    path = tmp_path / "proof.json"
    path.write_bytes(pack_certificate(a_certificate([a_record("an", task)], id_of("an", task))))

    ended = run_main("verify", str(path))

    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "\u202e" not in ended.out


def exported(path: Path) -> bytes:
    raw = b"".join(log_chunks(rows_of(DAY), NETWORK))
    path.write_bytes(raw)
    return raw


def test_verify__checks_an_exported_log(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = exported(file)

    shown = run_main("verify", str(file))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    piped = run_main("verify", "-", "--json", "--network", NETWORK.network_id.hex())

    told = json.loads(piped.out)
    assert (shown.code, piped.code, shown.err) == (0, 0, "")
    assert f"{len(DAY)} signed records of network 'test'" in shown.out
    assert "no more was shown" in shown.out
    assert (told["kind"], told["records"], told["tasks"]["final"]) == ("log", len(DAY), 1)
    assert told["state_digest"] == log.state_digest(rows_of(DAY)).hex()


def test_verify__refuses_a_log_that_is_cut_or_says_something_else(file: Path) -> None:
    raw = exported(file)
    head, _, records = raw.partition(b"\n")
    digest = log.state_digest(rows_of(DAY)).hex().encode()
    lied = head.replace(digest, b"11" * 32) + b"\n" + records[:-32]

    file.write_bytes(raw[:-40])
    cut = run_main("verify", str(file))
    file.write_bytes(lied + hashlib.sha256(lied).digest())
    lie = run_main("verify", str(file))
    file.write_bytes(raw)
    other = run_main("verify", str(file), "--network", "11" * 16)
    of_task = run_main("verify", str(file), "--task", TASK_ID.hex())

    assert (cut.code, lie.code, other.code, of_task.code) == (2, 1, 1, 2)
    assert "was cut" in cut.err
    assert "state_digest: 1111" in lie.err
    assert "it is of network" in other.err
    assert "the file is a whole log" in of_task.err


def test_verify__imports_nothing_heavy_and_asks_no_node(file: Path) -> None:
    program = (
        "import sys, node.cli; code = node.cli.main(['verify', sys.argv[1]]);"
        f"bad = set({HEAVY!r}) & set(sys.modules); sys.exit(repr(bad) if bad else code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_verify__says_nothing_when_its_reader_has_left(file: Path) -> None:
    command = [sys.executable, "-m", "node.cli", "verify", str(file)]
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)

    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")

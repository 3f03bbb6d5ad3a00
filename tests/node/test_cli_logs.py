"""What a node's log shows, and what it must not."""

import base64
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from node.key_sealing import LOG2_N_MIN, seal_key
from node.keys import load_key
from node.log_pace import LINES_PER_KIND_MAX
from node.logs import LogFormat, configure_logs
from node.rpc.token import RpcFile
from protocol.keys import Signer

SECRETS = ("xyzzy plugh 4711", "5ec2e7" * 10)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fail_with_a_secret() -> None:
    private_key = "hunter2" * 3
    raise ValueError(f"a key of {len(private_key)} characters is wrong")


def fail_with_all_secrets(folder: Path) -> None:
    """Fail where a key, a token and a passphrase are at hand, each as the node holds it."""
    passphrase = SECRETS[0]
    token = RpcFile("http://127.0.0.1:1", SECRETS[1], 1, "alice")
    key = load_key(folder / "alice")
    seal = seal_key(key.seed, passphrase.encode(), log2_n=LOG2_N_MIN)
    held = [passphrase, token, key, seal, Signer(key.seed)]
    logging.getLogger("node.test").warning("held: %r %s %r", token, key, held[-1])
    raise ExceptionGroup("all", [ValueError(f"{len(held)} secrets: {token!r} {key!r}")])


@pytest.mark.parametrize("log_format", ["json", "console", "auto"])
@pytest.mark.parametrize("make", [io.StringIO, Terminal])
def test_tracebacks__show_no_local_variables(
    log_format: LogFormat, make: type[io.StringIO]
) -> None:
    stream = make()
    configure_logs(log_format=log_format, stream=stream)

    try:
        fail_with_a_secret()
    except ValueError:
        logging.getLogger("node.test").exception("it failed")
        structlog.get_logger("node.test").exception("it failed")

    written = stream.getvalue()
    assert "hunter2" not in written
    assert written.count("a key of 21 characters is wrong") >= 2
    assert "fail_with_a_secret" in written


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_lines__show_no_key_no_token_and_no_passphrase(
    tmp_path: Path, log_format: LogFormat
) -> None:
    stream = io.StringIO()
    configure_logs(log_format=log_format, level="debug", stream=stream, node="alice")

    try:
        fail_with_all_secrets(tmp_path)
    except ExceptionGroup as error:
        logging.getLogger("node.test").exception("it failed: %s", error)
        logging.getLogger("node.test").error("again", exc_info=error, stack_info=True)
        structlog.get_logger("node.test").exception("once more", error=error)

    written = stream.getvalue()
    seed = load_key(tmp_path / "alice").seed
    shown = {*SECRETS, seed.hex(), repr(seed)[2:-1], base64.b64encode(seed).decode()}
    assert not [secret for secret in shown if secret in written]
    assert written.count("5 secrets: ") >= 3
    assert written.count("fail_with_all_secrets") >= 3


def test_lines__bear_the_name_of_the_node() -> None:
    stream = io.StringIO()
    configure_logs(log_format="json", stream=stream, node="alice")

    logging.getLogger("hypercorn.error").warning("from a library")
    thread = threading.Thread(target=logging.getLogger("node").info, args=("from a thread",))
    thread.start()
    thread.join()

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["node"] for line in lines] == ["alice", "alice"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_lines__of_one_kind_are_bounded(log_format: LogFormat) -> None:
    stream = io.StringIO()
    configure_logs(log_format=log_format, stream=stream)

    for number in range(1_000):
        logging.getLogger("node.net").warning("%d knocks", number, extra={"peer": "12D3KooWx"})

    assert len(stream.getvalue().splitlines()) == LINES_PER_KIND_MAX


def test_configure_logs__writes_one_json_document_for_each_record() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)

    with structlog.contextvars.bound_contextvars(node="alice"):
        logging.getLogger("node.loop").info("stored %d records", 3, extra={"task": "ab"})
        structlog.get_logger("node.net").warning("refused", peer="bob\x1b[2J")
        logging.getLogger("node.loop").debug("not shown")

    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["event"] == "stored 3 records"
    assert (first["level"], first["logger"], first["node"]) == ("info", "node.loop", "alice")
    assert first["task"] == "ab"
    assert (second["event"], second["peer"]) == ("refused", "bob\x1b[2J")
    assert "\x1b" not in stream.getvalue()


def test_configure_logs__takes_over_the_libraries() -> None:
    own = io.StringIO()
    for name in ("hypercorn.error", "libp2p.some.part"):
        logging.getLogger(name).addHandler(logging.StreamHandler(own))
        logging.getLogger(name).propagate = False
    stream = io.StringIO()
    configure_logs(stream=stream)

    for name in ("hypercorn.error", "libp2p.some.part"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")

    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["trouble", "trouble"]
    assert own.getvalue() == ""


def test_console__escapes_what_a_stranger_may_have_written() -> None:
    stream = io.StringIO()
    configure_logs(log_format="console", stream=stream)

    logging.getLogger("node").warning("alias %s", "\x1b]0;owned\x07\nfake line")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logging.getLogger("node").exception("failed")

    assert "\x1b" not in stream.getvalue()
    assert "\\x1b]0;owned\\x07\\nfake line" in stream.getvalue()


def test_configure_logs__defaults_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(stream=sys.stderr)

    logging.getLogger("node").info("hello")

    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["event"] == "hello"

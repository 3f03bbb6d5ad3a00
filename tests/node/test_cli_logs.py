"""What a node's log shows, and what it must not."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from node.logs import LogFormat, configure_logs


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

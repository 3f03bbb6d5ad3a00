"""Every line of a log names whom and what it is about in full, and in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# How an id is given under each name.
FORMS = {"task": "hex", "record": "hex", "peer": "str"}
IDS = {"peer", "peer_id", "task_id", "record_id", "author", "forwarder", "sender", "public_key"}


def logger_calls() -> list[tuple[str, ast.Call]]:
    found = []
    for folder in ("node", "bootstrap"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for call in calls_in(path.read_text()):
                found.append((f"{path.relative_to(ROOT)}:{call.lineno}", call))
    return found


def calls_in(source: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if node.func.attr in LEVELS and isinstance(owner, ast.Name) and owner.id == "logger":
                yield node


def faults(call: ast.Call) -> Iterator[str]:
    """Say what is wrong with a line; ids stand in `extra` alone, each whole and in its form."""
    words, *args = call.args
    if not isinstance(words, ast.Constant | ast.Name):
        yield "its words are put together before the log sees them"
    for arg in args:
        for node in ast.walk(arg):
            name = getattr(node, "attr", getattr(node, "id", ""))
            if name in IDS or name in ("hex", "short", "findable"):
                yield f"{name} is among its words"
            if isinstance(node, ast.Slice | ast.JoinedStr):
                yield "something is cut or put together among its words"
    for keyword in call.keywords:
        if keyword.arg == "extra":
            yield from faults_of_extra(keyword.value)
        elif keyword.arg not in ("exc_info", "stack_info"):
            yield f"{keyword.arg} is no field of a line"


def faults_of_extra(extra: ast.expr) -> Iterator[str]:
    if not isinstance(extra, ast.Dict):
        yield "extra is not written out"
        return
    for key, value in zip(extra.keys, extra.values, strict=True):
        name = str(key.value) if isinstance(key, ast.Constant) else ""
        if name not in FORMS:
            yield f"{name} is no field of a line"
            continue
        called = value.func if isinstance(value, ast.Call) else None
        form = getattr(called, "attr", getattr(called, "id", ""))
        if form != FORMS[name] or any(isinstance(one, ast.Subscript) for one in ast.walk(value)):
            yield f"{name} is not given whole, by {FORMS[name]}"


def test_lines__name_ids_whole_and_as_fields() -> None:
    calls = logger_calls()

    assert len(calls) > 30
    assert [(where, fault) for where, call in calls for fault in faults(call)] == []


@pytest.mark.parametrize(
    "line",
    [
        'logger.info("no answer for %s", task_id.hex()[:8])',
        'logger.info("no answer for %s", short(task))',
        'logger.info(f"no answer for {task_id}")',
        'logger.info("no answer for " + task)',
        'logger.info("a peer left: %s", peer_id)',
        'logger.info("a peer left: %s", session.peer)',
        'logger.info("a peer left: %s", f"{error} of it")',
        'logger.info("a peer left", extra={"peer": peer_id})',
        'logger.info("a peer left", extra={"who": str(peer_id)})',
        'logger.info("no answer", extra={"task": task_id.hex()[:16]})',
        'logger.info("no answer", extra={"task": task_id[:4].hex()})',
        'logger.info("no answer", extra=fields)',
        'logger.info("no answer", peer=str(peer_id))',
    ],
)
def test_faults__are_found(line: str) -> None:
    (call,) = calls_in(line)

    assert list(faults(call))


@pytest.mark.parametrize(
    "line",
    [
        'logger.info("no answer: %s", error, extra={"task": task_id.hex()})',
        'logger.exception("it failed", extra={"peer": str(conn.peer_id), "record": one.hex()})',
        'logger.info(told, seconds, reason, extra={"peer": str(peer_id)})',
    ],
)
def test_faults__are_none_of_a_good_line(line: str) -> None:
    (call,) = calls_in(line)

    assert list(faults(call)) == []

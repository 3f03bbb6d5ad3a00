"""Reads the tasks of one command: from its arguments, from files, from standard input."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from node.errors import UsageError

STDIN = "-"
JSON_LINES = (".jsonl", ".ndjson")
INPUT_BYTES_MAX = 64 * 1024 * 1024  # of one file: all is read before anything is submitted
TASKS_MAX = 100_000  # some twenty minutes of three nodes

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One task that was asked for.

    Attributes:
        place: Where it stands, for messages.
        body: What is submitted.
    """

    place: str
    body: Body


def read_items(texts: Sequence[str], files: Sequence[str]) -> list[Item]:
    """Return what was asked for: first the texts, where `-` is standard input, then the files.

    A line is a task; of a file that ends in .jsonl or .ndjson, a JSON object with the fields of
    POST /tasks. Blank lines are none.

    Raises:
        UsageError: A file cannot be read or taken apart, or there are too many tasks.
    """
    found: list[Item] = []
    for item in _items(texts, files):
        found.append(item)
        if len(found) > TASKS_MAX:
            raise UsageError(f"{item.place}: more than {TASKS_MAX} tasks")
    return found


def name_requests(items: Sequence[Item], prefix: str) -> list[Body]:
    """Return the bodies, each with a request id that the prefix and its own content make.

    So the same tasks after the same prefix are the same requests, in whatever order and among
    whatever others; equal tasks are told apart by counting. An id that is there already stays.
    """
    seen: Counter[str] = Counter()
    named = []
    for item in items:
        content = json.dumps([prefix, item.body], sort_keys=True)
        seen[content] += 1
        digest = hashlib.sha256(f"{content}{seen[content]}".encode()).hexdigest()
        named.append({"request_id": digest[:32], **item.body})
    return named


def _items(texts: Sequence[str], files: Sequence[str]) -> Iterator[Item]:
    for number, text in enumerate(texts, 1):
        if text == STDIN:
            yield from _text_lines("standard input", _read(STDIN))
        else:
            yield Item(f"text {number}", {"text": text})
    for name in files:
        is_json = name.lower().endswith(JSON_LINES)
        lines = _json_lines if is_json else _text_lines
        yield from lines("standard input" if name == STDIN else name, _read(name))


def _text_lines(name: str, text: str) -> Iterator[Item]:
    for place, line in _lines(name, text):
        yield Item(place, {"text": line})


def _json_lines(name: str, text: str) -> Iterator[Item]:
    for place, line in _lines(name, text):
        try:
            body = json.loads(line)
        except (ValueError, RecursionError):
            raise UsageError(f"{place}: not JSON") from None
        if not isinstance(body, dict) or not isinstance(body.get("text"), str):
            raise UsageError(f'{place}: need an object with a text, such as {{"text": "…"}}')
        yield Item(place, body)


def _lines(name: str, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{name}:{number}", line.removesuffix("\r")


def _read(name: str) -> str:
    try:
        if name == STDIN:
            return _decoded("standard input", sys.stdin.buffer)
        with open(name, "rb") as file:
            return _decoded(name, file)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error


def _decoded(name: str, file: BinaryIO) -> str:
    raw = file.read(INPUT_BYTES_MAX + 1)
    if len(raw) > INPUT_BYTES_MAX:
        raise UsageError(f"{name} has more than {INPUT_BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text") from error

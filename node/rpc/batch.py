"""Many tasks in one request: taken apart item by item, so that one bad item spoils nothing.

A list is cut at its commas before anything in it is read: four megabytes of brackets would become a
hundred of Python objects otherwise.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import trio
from pydantic import ValidationError

from node.errors import RequestRefused
from node.ports import Market
from node.rpc.guard import BODY_BYTES_MAX
from node.rpc.schemas import BATCH_TASKS_MAX, SubmitBody, first_problem, request_of
from protocol.errors import MarketError

TOGETHER_MAX = 64  # that wait for one write of the journal; more would wait in the machine's inbox
ITEM_BYTES_MAX = BODY_BYTES_MAX  # as much as a task on its own may have

# A whole string, one that never ends, or what gives a document its shape. Possessive, so that no
# input takes more than one walk.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_WHITE = b" \t\r\n"


def items_of(body: bytes, *, is_lines: bool) -> list[bytes]:
    """Cut a batch into its items, each as it was written.

    Args:
        body: A JSON list, or JSON documents on a line each.
        is_lines: Which of the two; empty lines are no items.

    Raises:
        RequestRefused: 400 if it is no list or has too many items, 413 if one is too large.
    """
    found: list[bytes] = []
    for item in _lines(body) if is_lines else _listed(body):
        if len(found) == BATCH_TASKS_MAX:
            message = f"a batch has at most {BATCH_TASKS_MAX} tasks"
            raise RequestRefused(400, "too_many_tasks", message)
        if len(item) > ITEM_BYTES_MAX:
            message = f"item {len(found)}: {len(item)} bytes, at most {ITEM_BYTES_MAX}"
            raise RequestRefused(413, "item_too_large", message)
        found.append(item)
    return found


async def submit_all(market: Market, items: list[bytes]) -> list[dict[str, Any]]:
    """Submit every item on its own and return what became of each, in their order."""
    results: list[dict[str, Any]] = [{} for _ in items]
    left = iter(enumerate(items))

    async def submit_some() -> None:
        for index, item in left:
            await trio.lowlevel.checkpoint()
            results[index] = await _submit(market, item)

    async with trio.open_nursery() as nursery:
        for _ in range(min(TOGETHER_MAX, len(items))):
            nursery.start_soon(submit_some)
    return results


async def _submit(market: Market, item: bytes) -> dict[str, Any]:
    try:
        return {"task_id": await market.submit(request_of(_read(item)))}
    except RequestRefused as refusal:
        code, message = refusal.code, str(refusal)
    except MarketError as error:
        code, message = "unavailable", f"{type(error).__name__}: {error}"
    clean = message.encode("utf-8", "replace").decode()
    return {"error": {"code": code, "message": clean}}


def _read(item: bytes) -> SubmitBody:
    try:
        return SubmitBody.model_validate(json.loads(item))
    except ValidationError as error:
        problem = first_problem(error.errors())
        raise RequestRefused(400, "bad_request", problem) from error
    except (ValueError, RecursionError) as error:
        raise RequestRefused(400, "bad_request", "not JSON") from error


def _lines(body: bytes) -> Iterator[bytes]:
    begin = 0
    while begin < len(body):
        end = body.find(b"\n", begin)
        end = len(body) if end < 0 else end
        line = body[begin:end].strip(_WHITE)
        if line:
            yield line
        begin = end + 1


def _listed(body: bytes) -> Iterator[bytes]:
    text = body.strip(_WHITE)
    if not (text.startswith(b"[") and text.endswith(b"]") and len(text) >= 2):
        raise _no_list()
    depth, begin = 0, 1
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in (b"[", b"{"):
            depth += 1
        elif mark in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                if token.end() != len(text):
                    raise _no_list()
                last = text[begin:-1].strip(_WHITE)
                if last or begin > 1:
                    yield last
                return
        elif mark == b"," and depth == 1:
            yield text[begin : token.start()].strip(_WHITE)
            begin = token.end()
        if token.end() - begin > ITEM_BYTES_MAX:
            yield text[begin : token.end()]  # which is refused: no need to see where it ends
    raise _no_list()


def _no_list() -> RequestRefused:
    return RequestRefused(400, "bad_request", "body: not a JSON list of tasks")

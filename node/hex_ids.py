"""Reads the ids that a user typed."""

from string import hexdigits

from consensus import layout
from consensus.rows import Rows
from node.errors import RequestRefused
from protocol.ids import TaskId

TASK_ID_DIGITS = 64
PREFIX_DIGITS_MIN = 8
MODEL_DIGITS = 64
TEXT_SHOWN_MAX = 70  # of what a user mistyped


def check_task_id(text: str) -> str:
    """Return a task id, or the beginning of one, in lower case.

    Raises:
        RequestRefused: 400 if it is neither.
    """
    if not PREFIX_DIGITS_MIN <= len(text) <= TASK_ID_DIGITS or not _is_hex(text):
        limit = f"need {TASK_ID_DIGITS} hex digits, or the first {PREFIX_DIGITS_MIN} or more"
        raise RequestRefused(400, "bad_task_id", f"task id {_shown(text)}: {limit}")
    return text.lower()


def resolve_task(rows: Rows, text: str) -> TaskId | None:
    """Return the task that is meant: by its id, known or not, or by a prefix of one that is.

    Raises:
        RequestRefused: 400 if it is no id, 409 if it is the beginning of several.
    """
    digits = check_task_id(text)
    if len(digits) == TASK_ID_DIGITS:
        return TaskId(bytes.fromhex(digits))
    even = bytes.fromhex(digits[: len(digits) // 2 * 2])
    found: list[TaskId] = []
    for key, _ in rows.scan(layout.TASK + even):
        if key[1:].hex().startswith(digits):
            found.append(TaskId(key[1:]))
        if len(found) > 1:
            raise RequestRefused(409, "ambiguous_task", f"several tasks begin with {text}")
    return found[0] if found else None


def read_model(text: str) -> bytes:
    """Return the digest of a model.

    Raises:
        RequestRefused: 400 if it is none.
    """
    if len(text) != MODEL_DIGITS or not _is_hex(text):
        need = f"need the {MODEL_DIGITS} hex digits of its digest"
        raise RequestRefused(400, "bad_model", f"model {_shown(text)}: {need}")
    return bytes.fromhex(text)


def _is_hex(text: str) -> bool:
    return all(letter in hexdigits for letter in text)


def _shown(text: str) -> str:
    return repr(text if len(text) <= TEXT_SHOWN_MAX else text[: TEXT_SHOWN_MAX - 3] + "...")

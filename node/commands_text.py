"""Makes text of strangers fit to be shown on a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

PEER_ID_SHOWN = 6  # the last characters: all Ed25519 peer ids begin alike
TASK_ID_SHOWN = 8


def printable(text: str) -> str:
    r"""Escape every character a terminal would act on, hide or reorder by.

    >>> printable("red \\x1b[31m, back \\u202e, line \\n")
    'red \\\\x1b[31m, back \\\\u202e, line \\\\n'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shortened(text: str, length: int) -> str:
    """Return printable text of at most `length` characters."""
    clean = printable(text)
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def who(worker: Mapping[str, Any]) -> str:
    """Name a worker by nickname and the end of its peer id, so that two alices differ."""
    alias = shortened(str(worker["worker_id"]), 24)
    return f"{alias}~{printable(str(worker['peer_id']))[-PEER_ID_SHOWN:]}"


def whos(workers: list[Mapping[str, Any]]) -> str:
    """Name several workers, or a dash if there is nobody."""
    return ", ".join(who(worker) for worker in workers) or "-"


def task_text(task: Mapping[str, Any], length: int) -> str:
    """Show a task's input on one line."""
    return "(not text)" if task["text"] is None else shortened(task["text"], length)


def moment(created_ms: int) -> str:
    """Show a moment in local time; a clock that is far off shows as it is."""
    try:
        then = datetime.fromtimestamp(created_ms / 1000, tz=UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return f"{created_ms} ms"
    return then.strftime("%Y-%m-%d %H:%M:%S")

"""The command that waits until a node's log is level with a peer's, and shows how far it is."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

from node.commands import node_command, print_json, tell
from node.commands_text import PEER_ID_SHOWN, printable
from node.rpc.client import Client, TooLate

if TYPE_CHECKING:
    from rich.progress import Progress

POLL_SECONDS = 0.25
TOLD_SECONDS = 2.0  # between two lines where there is no terminal
LEVEL_SECONDS = 60  # a node compares its log every ten seconds or so; what is older is not news

Document = Mapping[str, Any]


@click.command()
@click.option("--timeout", type=click.FloatRange(0), default=600.0, help="Seconds; else 600.")
@node_command
def sync(timeout: float, client: Client, as_json: bool) -> None:
    """Wait until the node's log is level with a peer's; show how far it is.

    Exits 0 once the whole log was compared within the last minute and nothing was left to move,
    and 75 if that does not come about in time; the node goes on by itself either way.
    """
    with shown_progress() as shown:
        status = wait_until_level(client, shown, timeout_s=timeout)
    if as_json:
        print_json({"records": status["records"], **status["sync"]})
    else:
        click.echo(f"{status['records']} records, {level_text(status['sync'])}")


class Shown(Protocol):
    """Somewhere progress is shown."""

    def show(self, status: Document) -> None:
        """Take in how the node is."""
        ...


def wait_until_level(client: Client, shown: Shown, *, timeout_s: float) -> Document:
    """Ask until the log is level with a peer's; return the status that says so.

    Raises:
        TooLate: It is not within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        status: Document = client.status()
        if is_level(status["sync"]):
            return status
        shown.show(status)
        left = deadline - time.monotonic()
        if left <= 0:
            raise TooLate(f"not level within {timeout_s:g} s: {sync_text(status)}")
        time.sleep(min(POLL_SECONDS, left))


def is_level(sync: Document) -> bool:
    """Answer whether all was compared a moment ago, and nothing moves now."""
    ago = sync["level_s_ago"]
    return ago is not None and ago <= LEVEL_SECONDS and sync["state"] != "moving"


def sync_text(status: Document) -> str:
    """Say in one line how far the sync is."""
    sync = status["sync"]
    if sync["state"] == "moving":
        peer = _short(sync["peer_id"])
        return f"{sync['moved']} of {sync['expected']} records moved with {peer}"
    if sync["state"] == "comparing":
        return f"comparing with {_short(sync['peer_id'])}"
    if not status["peers"]:
        return "no peer is connected"
    return level_text(sync)


def level_text(sync: Document) -> str:
    """Say in words with whom the log was level last."""
    if sync["level_s_ago"] is None:
        return "not compared yet"
    return f"level with {_short(sync['level_with'])} {sync['level_s_ago']} s ago"


@contextmanager
def shown_progress() -> Iterator[Shown]:
    """Show a bar on a terminal, else a line now and then; nothing of it is on standard output."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from node.commands_show import console_of

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    rate = TextColumn("{task.fields[rate]}", markup=False)
    with Progress(*columns, rate, console=console_of(error=True), transient=True) as progress:
        yield Bar(progress)


class Rate:
    """How many records a second move, since they began to."""

    def __init__(self) -> None:
        self._peer = ""
        self._first = 0
        self._since = 0.0

    def text(self, sync: Document) -> str:
        """Take in how far the sync is; return the rate in words, empty while unknown."""
        now = time.monotonic()
        if sync["state"] != "moving" or sync["peer_id"] != self._peer:
            self._peer = sync["peer_id"] if sync["state"] == "moving" else ""
            self._first, self._since = sync["moved"], now
        moved, seconds = sync["moved"] - self._first, now - self._since
        return f"{moved / seconds:,.0f} /s" if moved > 0 and seconds > 0 else ""


class Lines:
    """Tells a line whenever something changed, and not too often."""

    def __init__(self) -> None:
        self._rate = Rate()
        self._told = ""
        self._told_at = float("-inf")

    def show(self, status: Document) -> None:
        """Take in how the node is."""
        rate = self._rate.text(status["sync"])
        line = sync_text(status) + (f", {rate}" if rate else "")
        now = time.monotonic()
        if line != self._told and now - self._told_at >= TOLD_SECONDS:
            self._told, self._told_at = line, now
            tell(line)


class Bar:
    """Draws a bar: records that moved, of how many, and how fast."""

    def __init__(self, progress: "Progress") -> None:
        self._rate = Rate()
        self._progress = progress
        self._task = progress.add_task("comparing", total=None, rate="")

    def show(self, status: Document) -> None:
        """Take in how the node is."""
        sync = status["sync"]
        is_moving = sync["state"] == "moving"
        self._progress.update(
            self._task,
            description=f"with {_short(sync['peer_id'])}" if is_moving else sync_text(status),
            total=sync["expected"] if is_moving else None,
            completed=sync["moved"],
            rate=self._rate.text(sync),
        )


def _short(peer_id: str) -> str:
    return f"~{printable(peer_id)[-PEER_ID_SHOWN:]}"

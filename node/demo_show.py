"""Shows a demo: a live table on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import click

from node.commands_show import console_of, table_of
from node.commands_text import printable, shortened, task_text, who
from node.demo_progress import Document, NodeSnapshot, said

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table


class DemoShow:
    """Tells what happens; as a context, keeps a live table below the lines on a terminal."""

    def __init__(self, *, to_stderr: bool) -> None:
        self._to_stderr = to_stderr
        stream = sys.stderr if to_stderr else sys.stdout
        self._console: Console | None = console_of(error=to_stderr) if stream.isatty() else None
        self._live: Live | None = None

    def __enter__(self) -> "DemoShow":
        """Begin the live table, if there is a terminal to show it on."""
        if self._console is not None:
            from rich.live import Live

            self._live = Live(console=self._console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        """End the live table; the lines stay."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, line: str = "") -> None:
        """Show one line."""
        if self._console is not None:
            self._console.print(printable(line), soft_wrap=True)
        else:
            click.echo(printable(line), err=self._to_stderr)
            (sys.stderr if self._to_stderr else sys.stdout).flush()

    def tasks(self, tasks: Sequence[Document]) -> None:
        """Redraw the live table."""
        if self._live is not None:
            self._live.update(_tasks_table(tasks))

    def verdicts(self, tasks: Sequence[Document]) -> None:
        """Show every task once more, with all answers."""
        console = self._console or console_of(error=self._to_stderr)
        console.print(_tasks_table(tasks))

    def leaderboards(self, names: Sequence[str], snapshots: Sequence[NodeSnapshot]) -> None:
        """Show the leaderboard as each node computes it, side by side."""
        console = self._console or console_of(error=self._to_stderr)
        console.print(_leaderboards_table(names, snapshots))


def _tasks_table(tasks: Sequence[Document]) -> "Table":
    rows: list[tuple[str, ...]] = [
        (
            _name(task["submitter"]),
            task_text(task, 60),
            _names(task["committed"]),
            _names(task["jurors"]),
            ", ".join(f"{_name(answer['worker'])} {said(answer)}" for answer in task["answers"]),
            task["chain_state"] if task["answer"] is None else shortened(task["answer"], 20),
        )
        for task in tasks
    ]
    columns = ("asked by", "text", "sealed by", "jury", "opened", "verdict")
    return table_of(columns, rows, title="tasks")


def _name(worker: Document) -> str:
    """Show the nickname alone: we started every node ourselves, so no two are alike."""
    return shortened(str(worker["worker_id"]), 16)


def _names(workers: Sequence[Document]) -> str:
    return ", ".join(_name(worker) for worker in workers) or "-"


def _leaderboards_table(names: Sequence[str], snapshots: Sequence[NodeSnapshot]) -> "Table":
    workers: dict[str, Document] = {}
    for snapshot in snapshots:
        for row in snapshot.leaderboard:
            workers.setdefault(row["peer_id"], row)
    rows = [
        (who(worker), *(_score(snapshot, peer_id) for snapshot in snapshots))
        for peer_id, worker in workers.items()
    ]
    rows.append(("records", *(str(snapshot.records) for snapshot in snapshots)))
    rows.append(("state digest", *(snapshot.state_digest[:12] for snapshot in snapshots)))
    columns = ("worker", *(f"by {name}" for name in names))
    title = "leaderboard as each node computes it: points (reputation)"
    return table_of(columns, rows, title=title)


def _score(snapshot: NodeSnapshot, peer_id: str) -> str:
    for row in snapshot.leaderboard:
        if row["peer_id"] == peer_id:
            return f"{row['points']} ({row['reputation']:.2f})"
    return "-"

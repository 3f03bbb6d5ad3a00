"""Shows a node's documents to people, as tables and plain lines."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from node.commands_sync import sync_text
from node.commands_text import (
    TASK_ID_SHOWN,
    moment,
    printable,
    shortened,
    task_text,
    who,
    whos,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = Mapping[str, Any]
STATE_STYLES = {"final": "green", "split": "yellow", "void": "red"}
PIPE_WIDTH = 160  # columns where there is no terminal to ask


def console_of(*, error: bool = False) -> "Console":
    """Return a console that takes text as it is: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> "Table":
    """Lay out rows; every cell is literal text."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left")
    for column in columns:
        right = column in ("points", "agreed", "dissented", "absent", "faults", "load", "conf.")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell), STATE_STYLES.get(cell, "")) for cell in row))
    return table


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print a table, or one line that says why there is none."""
    console = console_of()
    if rows:
        console.print(table_of(columns, rows))
    else:
        console.print(empty)


def show_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values below one another."""
    listed = [(printable(name), printable(value)) for name, value in pairs if value]
    width = max(len(name) for name, _ in listed)
    for name, value in listed:
        print(f"{name.ljust(width)}  {value}")


def show_task(task: Row) -> None:
    """Print all that is known of one task."""
    attempt = f" (attempt {task['attempt'] + 1})" if task["attempt"] else ""
    chain = f", chain {task['chain_state']}" if task["chain_state"] != task["state"] else ""
    show_pairs(
        [
            ("task", task["task_id"]),
            ("text", task_text(task, 400)),
            ("type", task["task_type"]),
            ("submitter", who(task["submitter"]) + (" (this node)" if task["mine"] else "")),
            ("created", moment(task["created_ms"])),
            ("state", task["state"] + attempt + chain + (", cancelled" * task["cancelled"])),
            ("answer", "" if task["answer"] is None else task["answer"]),
            ("", "rests on a single seat" if task["unreplicated"] else ""),
            ("waiting for", task["waiting"]),
            ("seats", f"{task['seats']}, quorum {task['quorum']}"),
            ("sealed by", whos(task["committed"])),
            ("jury", whos(task["jurors"])),
            ("missing", whos(task["missing"])),
        ]
    )
    if task["answers"]:
        columns = ("juror", "answer", "conf.", "agrees")
        console_of().print(table_of(columns, answer_rows(task["answers"])))


def answer_rows(answers: Sequence[Row]) -> list[tuple[str, ...]]:
    """Turn opened answers into cells: juror, answer, confidence, whether it agrees."""
    said = {True: "yes", False: "no", None: "-"}
    return [
        (
            who(answer["worker"]),
            ("error: " if answer["error"] else "") + shortened(answer["answer"], 60),
            f"{answer['confidence']:.1%}",
            said[answer["agrees"]],
        )
        for answer in answers
    ]


def show_tasks(tasks: Sequence[Row]) -> None:
    """Print one line for each task."""
    rows = [
        (
            task["task_id"][:TASK_ID_SHOWN],
            moment(task["created_ms"]),
            who(task["submitter"]),
            task["task_type"],
            "cancelled" if task["cancelled"] else task["state"],
            "-" if task["answer"] is None else shortened(task["answer"], 24),
            task_text(task, 48),
        )
        for task in tasks
    ]
    columns = ("task", "created", "submitter", "type", "state", "answer", "text")
    show_table(columns, rows, empty="no tasks")


def leaderboard_rows(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Turn the leaderboard into cells; see LEADERBOARD_COLUMNS."""
    return [
        (
            who(row),
            str(row["points"]),
            f"{row['reputation']:.2f}",
            str(row["dissented"]),
            str(row["absent"]),
            str(row["faults"]),
        )
        for row in rows
    ]


LEADERBOARD_COLUMNS = ("worker", "points", "reputation", "dissented", "absent", "faults")


def show_leaderboard(rows: Sequence[Row]) -> None:
    """Print the scores."""
    show_table(
        LEADERBOARD_COLUMNS, leaderboard_rows(rows), empty="nobody has agreed with a verdict yet"
    )


def show_peers(peers: Sequence[Row]) -> None:
    """Print who is connected, or heard of."""
    rows = [
        (
            who(peer),
            ("out" if peer["outbound"] else "in") if peer["connected"] else "-",
            "yes" if peer["live"] else "no",
            _latency(peer),
            str(peer["load"]),
            ", ".join(shortened(item, 24) for item in peer["capabilities"]) or "-",
            peer["state_digest"][:8] or "-",
            peer["address"] or "-",
        )
        for peer in peers
    ]
    columns = ("peer", "link", "live", "latency", "load", "can run", "state", "address")
    show_table(columns, rows, empty="no peers: this node is alone")


def _latency(peer: Row) -> str:
    latency_ms = peer.get("latency_ms")  # an older node does not tell
    return "-" if latency_ms is None else f"{latency_ms:.1f} ms"


def show_status(status: Row) -> None:
    """Print how the node is."""
    ready = "yes" if status["ready"] else f"no, waiting for {status['waiting'] or 'the start'}"
    capable = ", ".join(f"{name}: {count}" for name, count in status["capable"].items())
    show_pairs(
        [
            ("node", who(status)),
            ("peer id", status["peer_id"]),
            ("version", status["version"]),
            ("network", status["network_id"]),
            ("ready", ready),
            ("signing", "yes" if status["signing"] else "not now"),
            ("read-only", status["read_only"]),
            ("behind", "disk limit reached: nothing foreign is stored" * status["behind"]),
            ("model", status["model"]),
            ("can run", ", ".join(status["capabilities"])),
            ("others who can", capable),
            ("peers", str(status["peers"])),
            ("records", str(status["records"])),
            ("log", sync_text(status)),
            ("tasks", ", ".join(f"{name}: {count}" for name, count in status["tasks"].items())),
            ("state digest", status["state_digest"]),
            ("runs waiting", str(status["inference_queue"])),
            ("up", f"{status['uptime_s']} s"),
            *((f"count {name}", str(n)) for name, n in status["counters"].items() if n),
            *(("address", address) for address in status["addresses"]),
        ]
    )

"""The commands that say why: explain and worker."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from node.commands import node_command, print_json
from node.commands_text import TASK_ID_SHOWN, moment, printable, shortened, task_text, who
from node.rpc.client import Client

Row = Mapping[str, Any]
Lines = Iterator[tuple[str, str]]  # what stands before a line, and the line

STATE_COLOURS = {"final": "green", "split": "yellow", "void": "red"}
MAY_LACK = "(its record was not found among those looked at)"


@click.command()
@click.argument("what")
@node_command
def explain(what: str, client: Client, as_json: bool) -> None:
    """Say why a task, a worker's score or a record is as it is.

    WHAT is a task id or record id, its first 8 digits or more, or a worker: a nickname, a peer id,
    a public key, or a name as listings show it. For a task that hangs it says who is missing, what
    happens next and when.
    """
    answer = client.explain(what)
    if as_json:
        print_json(answer)
    elif answer["kind"] == "task":
        _show_task(answer["task"])
    elif answer["kind"] == "worker":
        _show_worker(answer["worker"])
    else:
        _show_record(answer["record"])


@click.command()
@click.argument("name")
@node_command
def worker(name: str, client: Client, as_json: bool) -> None:
    """Show one worker: its row of the leaderboard, and how it is.

    NAME is a nickname, a peer id, a public key or its first 8 digits, or as listings show it.
    """
    answer = client.worker(name)
    if as_json:
        print_json(answer)
    else:
        _show_detail(answer)


def _show_task(task: Row) -> None:
    answer = "" if task["answer"] is None else f": {shortened(task['answer'], 60)}"
    state = click.style(task["state"], fg=STATE_COLOURS.get(task["state"]), bold=True)
    click.echo(f"task {printable(task['task_id'])}")
    click.echo(f"{state}{answer}")
    model = f" {printable(task['model'])[:8]}" if task["model"] else ""
    what = f"{shortened(task['task_type'], 32)}{model}: {task_text(task, 60)}"
    mine = " (this node)" if task["mine"] else ""
    click.echo(f"{what}\nasked by {who(task['submitter'])}{mine} at {moment(task['created_ms'])}")
    section("Why", (("", line) for line in task["because"]))
    section("Jury", _jurors(task["jurors"]))
    section("Attempts", _attempts(task) if len(task["attempts"]) > 1 else iter(()))
    section("What comes next", ((_when(step["in_s"]), step["text"]) for step in task["next"]))
    section("Who is waited for", _waited(task["missing"]))
    section("Records", _records(task))


def _jurors(jurors: Sequence[Row]) -> Lines:
    for juror in jurors:
        points = f"+{juror['points']}" if juror["points"] else " 0"
        yield points, f"{who(juror['worker'])} {juror['because']}"


def _attempts(task: Row) -> Lines:
    for attempt in task["attempts"]:
        counts = ", whose answer counts" if attempt["counts"] else ""
        this = ", this one" if attempt["task_id"] == task["task_id"] else ""
        name = printable(attempt["task_id"])[:TASK_ID_SHOWN]
        yield (
            str(attempt["attempt"] + 1),
            f"{name} {attempt['state']}, {attempt['seats']} seats{counts}{this}",
        )


def _waited(missing: Sequence[Row]) -> Lines:
    for one in missing:
        heard = "never heard"
        if one["heard_s_ago"] is not None:
            heard = f"heard {one['heard_s_ago']:.1f} s ago, {one['load']} runs wait there"
        yield "live" if one["live"] else "gone", f"{who(one['worker'])} {heard}"


def _records(task: Row) -> Lines:
    for said in task["records"]:
        if said["created_ms"] is None:
            yield said["kind"], f"{'-' * TASK_ID_SHOWN} {who(said['author'])} {MAY_LACK}"
            continue
        after_s = (said["created_ms"] - task["created_ms"]) / 1_000
        record_id = printable(said["record_id"])[:TASK_ID_SHOWN]
        yield said["kind"], f"{record_id} {who(said['author'])} {after_s:+.3f} s"


def _show_worker(told: Row) -> None:
    _show_detail(told["worker"])
    section("Why", (("", line) for line in told["because"]))
    section("By submitter", _pairs(told))
    section("Reputation", (("", line) for line in told["arithmetic"]))
    section(f"Seated for, of the newest {told['looked']} tasks", _recent(told["recent"]))


def _pairs(told: Row) -> Lines:
    for pair in told["pairs"]:
        kinds = ("agreed", "dissented", "excused", "absent")
        counts = ", ".join(f"{pair[kind]} {kind}" for kind in kinds)
        yield "", f"{who(pair['submitter'])} {counts}"
    if told["pairs_left_out"]:
        yield "", f"and {told['pairs_left_out']} more submitters"


def _recent(recent: Sequence[Row]) -> Lines:
    for one in recent:
        points = f"+{one['points']}" if one["points"] else " 0"
        mark = one["mark"] or "not counted"
        name = printable(one["task_id"])[:TASK_ID_SHOWN]
        verdict = one.get("answer")  # an older node does not tell
        state = one["state"] if verdict is None else f"{one['state']}: {shortened(verdict, 24)}"
        yield points, f"{name} {state}, {mark}, asked by {who(one['submitter'])}"


def _show_detail(worker: Row) -> None:
    standing = worker["standing"]
    rank = "no row" if worker["rank"] is None else f"{worker['rank']} of {worker['ranked']}"
    heard = "" if worker["heard_s_ago"] is None else f", heard {worker['heard_s_ago']:.1f} s ago"
    live = "live" if worker["live"] else "not live"
    counts = ", ".join(f"{standing[kind]} {kind}" for kind in ("dissented", "excused", "absent"))
    _pad(
        [
            ("worker", who(worker)),
            ("peer id", worker["peer_id"]),
            ("key", worker["key"]),
            ("runs", worker["agent"]),
            ("here", f"{live}{', connected' * worker['connected']}{heard}"),
            ("can run", ", ".join(worker["capabilities"])),
            ("load", f"{worker['load']} runs wait"),
            ("leaderboard", rank),
            ("points", f"{standing['points']}; {counts}, {standing['faults']} faults"),
            ("reputation", f"{standing['reputation']:.3f}"),
            ("submitters", str(standing["submitters"])),
            ("state digest", worker["state_digest"]),
            *(("address", address) for address in worker["addresses"]),
        ]
    )


def _show_record(record: Row) -> None:
    click.echo(f"record {printable(record['record_id'])}")
    signed = f"signed by {who(record['author'])} at {moment(record['created_ms'])}"
    click.echo(f"{signed}, {record['size_bytes']} bytes")
    section("It says", _statements(record["statements"]))
    section("Where it is", (("", line) for line in record["because"]))


def _statements(statements: Sequence[Row]) -> Lines:
    for said in statements:
        task = ""
        if said["task_id"]:
            known = "" if said["known"] else ", which this node does not know"
            task = f" (task {printable(said['task_id'])[:TASK_ID_SHOWN]}{known})"
        yield said["kind"], f"{said['text']}{task}"


def _when(in_s: float | None) -> str:
    """Say when a step comes."""
    if in_s is None:
        return "-"
    return "now" if in_s == 0 else f"in {in_s:.1f} s"


def section(title: str, lines: Lines) -> None:
    """Print a part of an explanation, if there is anything in it."""
    listed = [(printable(before), printable(line)) for before, line in lines]
    if not listed:
        return
    width = max(len(before) for before, _ in listed)
    click.echo("\n" + click.style(printable(title), bold=True))
    for before, line in listed:
        click.echo(f"  {before.ljust(width)}  {line}" if width else f"  {line}")


def _pad(pairs: Sequence[tuple[str, str]]) -> None:
    listed = [(name, printable(value)) for name, value in pairs if value]
    width = max(len(name) for name, _ in listed)
    for name, value in listed:
        click.echo(f"{name.ljust(width)}  {value}")

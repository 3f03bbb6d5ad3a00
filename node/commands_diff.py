"""The command that compares this node with a peer."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from node.commands import EXIT_FAILED, exit_with, node_command, print_json
from node.commands_explain import Lines, section
from node.commands_text import TASK_ID_SHOWN, moment, printable, who
from node.rpc.client import Client

Row = Mapping[str, Any]
DIGEST_SHOWN = 16


@click.command()
@click.option(
    "--of", "peer", metavar="PEER", required=True, help="A connected peer, by name or id."
)
@node_command
def diff(peer: str, client: Client, as_json: bool) -> None:
    """Compare the node's records and state with a peer's, and name the first that differ.

    Nothing is moved into either log. Exits 0 if both hold the same and compute the same, else 1.
    """
    answer = client.diff(peer)
    if as_json:
        print_json(answer)
    else:
        _show(answer)
    if answer["verdict"] != "equal":
        exit_with(EXIT_FAILED)


def _show(answer: Row) -> None:
    for line in answer["because"]:
        click.echo(printable(line))
    section("State", _states(answer))
    section("Tasks that differ", _tasks(answer["tasks"]))
    _lone(f"{who(answer['peer'])} lacks", answer["only_here_count"], answer["only_here"])
    _lone("This node lacks", answer["only_there_count"], answer["only_there"])


def _lone(lacks: str, count: int, records: Sequence[Row]) -> None:
    noun = "1 record" if count == 1 else f"{count} records"
    first = f", of which the first {len(records)}" if count > len(records) else ""
    section(f"{lacks} {noun}{first}", _records(records))


def _states(answer: Row) -> Lines:
    sides = (
        ("here", answer["state_digest"], answer["records"]),
        ("there", answer["peer_state_digest"], answer["peer_records"]),
    )
    for side, digest, records in sides:
        yield side, f"{digest[:DIGEST_SHOWN]} over {records} records"


def _tasks(tasks: Sequence[Row]) -> Lines:
    for task in tasks:
        counts = [
            f"{task[side]} only {side.removeprefix('only_')}"
            for side in ("only_here", "only_there")
            if task[side]
        ]
        state = task["state"] or "unknown here"
        yield task["task_id"][:TASK_ID_SHOWN], f"{state}, records: {', '.join(counts)}"


def _records(records: Sequence[Row]) -> Lines:
    for record in records:
        name = record["record_id"][:TASK_ID_SHOWN]
        if record["author"] is None:
            yield name, "named, but not sent"
            continue
        about = ", ".join(task_id[:TASK_ID_SHOWN] for task_id in record["task_ids"])
        kinds = " and ".join(record["kinds"]) + (f" of task {about}" if about else "")
        yield name, f"{kinds} by {who(record['author'])} at {moment(record['created_ms'])}"

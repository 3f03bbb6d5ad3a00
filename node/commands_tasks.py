"""The commands about tasks: submit, task, tasks, cancel."""

import json
import sys
import time
from typing import Any

import click

from node.commands import EXIT_FAILED, exit_with, node_command, print_json, tell
from node.errors import UsageError
from node.rpc.client import Client, TooLate

POLL_SECONDS = 0.25
POLL_SECONDS_MAX = 2.0
UNDECIDED_SECONDS = 3.0  # a split or void task may be tried again by its submitter
STDIN_BYTES_MAX = 64 * 1024
LABELLED_TYPE = "zero-shot-classification"  # the one task type whose input has labels
STATES = ("open", "seated", "final", "split", "void")


@click.command()
@click.argument("text")
@click.option("--type", "task_type", metavar="NAME", help="The task type; else the node's default.")
@click.option("--labels", metavar="A,B,…", help=f"What to choose from, for {LABELLED_TYPE}.")
@click.option("--seats", type=int, help="How many jurors; else the node's default.")
@click.option("--model", metavar="DIGEST", help="The model digest in hex; else the node's own.")
@click.option("--request-id", metavar="ID", help="The same id is the same task: safe to repeat.")
@click.option("--wait", is_flag=True, help="Wait for the verdict.")
@click.option("--timeout", type=click.FloatRange(0), default=120.0, help="Seconds; else 120.")
@node_command
def submit(
    *,
    text: str,
    task_type: str | None,
    labels: str | None,
    seats: int | None,
    model: str | None,
    request_id: str | None,
    wait: bool,
    timeout: float,
    client: Client,
    as_json: bool,
) -> None:
    """Submit TEXT as a task; `-` reads it from standard input.

    Prints the task id. With --wait prints the verdict and exits 0; exits 1 if the jury was split
    or the task void, and 75 if there is no verdict in time (it may still come).
    """
    typed = _read_stdin() if text == "-" else text
    answer = client.submit(
        text=typed if labels is None else with_labels(typed, labels, task_type),
        type=task_type if labels is None else LABELLED_TYPE,
        seats=seats,
        model=model,
        request_id=request_id,
    )
    if not wait:
        print_json(answer) if as_json else click.echo(answer["task_id"])
        return
    found = wait_for_verdict(client, answer["task_id"], timeout_s=timeout)
    _show_one(found, as_json=as_json)
    if found["chain_state"] != "final":
        exit_with(EXIT_FAILED)


@click.command()
@click.argument("task_id")
@node_command
def task(task_id: str, client: Client, as_json: bool) -> None:
    """Show all that the node knows of a task, by its id or the first 8 digits."""
    _show_one(client.task(task_id), as_json=as_json)


@click.command()
@click.option("--mine", is_flag=True, help="Only those this node submitted.")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@node_command
def tasks(mine: bool, state: str | None, limit: int, client: Client, as_json: bool) -> None:
    """List tasks, the newest first."""
    found = client.tasks(mine=mine, state=state, limit=limit)
    if as_json:
        print_json({"tasks": found})
        return
    from node.commands_show import show_tasks

    show_tasks(found)


@click.command()
@click.argument("task_id")
@node_command
def cancel(task_id: str, client: Client, as_json: bool) -> None:
    """Stop caring for an own task: it is neither seated nor retried."""
    found = client.cancel(task_id)
    print_json(found) if as_json else click.echo(f"cancelled {found['task_id']}")


def with_labels(text: str, labels: str, task_type: str | None) -> str:
    """Return a text with labels to choose from, as the one task type takes it that has any.

    Raises:
        UsageError: Another task type was named.
    """
    if task_type not in (None, LABELLED_TYPE):
        raise UsageError(f"--labels: only {LABELLED_TYPE} takes them, not {task_type}")
    return json.dumps({"text": text, "labels": [label.strip() for label in labels.split(",")]})


def wait_for_verdict(client: Client, task_id: str, *, timeout_s: float) -> dict[str, Any]:
    """Ask until the task's chain is decided; tells what it waits for on a terminal.

    Raises:
        TooLate: It is not decided within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = POLL_SECONDS
    undecided_since: float | None = None
    told = ""
    while True:
        found: dict[str, Any] = client.task(task_id)
        now = time.monotonic()
        state = found["chain_state"]
        if state == "final" or found["cancelled"]:
            return found
        if state in ("split", "void"):
            undecided_since = undecided_since or now
            if now - undecided_since >= UNDECIDED_SECONDS:
                return found
        else:
            undecided_since = None
        if found["waiting"] != told and sys.stderr.isatty():
            told = found["waiting"]
            tell(f"waiting for {told}" if told else state)
        if now >= deadline:
            waiting = found["waiting"] or "a verdict"
            raise TooLate(
                f"no verdict within {timeout_s:g} s (waiting for {waiting}); it may still come: "
                f"aimarket task {task_id[:8]}"
            )
        time.sleep(min(pause_s, max(0.0, deadline - now)))
        pause_s = min(pause_s * 1.2, POLL_SECONDS_MAX)


def _show_one(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    from node.commands_show import show_task

    show_task(found)


def _read_stdin() -> str:
    raw = sys.stdin.buffer.read(STDIN_BYTES_MAX + 1)
    if len(raw) > STDIN_BYTES_MAX:
        raise UsageError(f"standard input has more than {STDIN_BYTES_MAX} bytes")
    try:
        return raw.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise UsageError("standard input is not UTF-8 text") from error

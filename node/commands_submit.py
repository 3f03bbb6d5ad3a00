"""The command that submits: one task, or as many as there are lines."""

import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from node.batch_input import STDIN, Item, name_requests, read_items
from node.batch_run import (
    WAIT_SECONDS,
    Count,
    Taken,
    settled_in_order,
    submit_all,
    wait_until_settled,
)
from node.commands import (
    EXIT_FAILED,
    EXIT_LATER,
    exit_with,
    node_command,
    print_json,
    print_json_line,
    tell,
)
from node.commands_text import TASK_ID_SHOWN, printable, shortened
from node.errors import UsageError
from node.rpc.client import Client, TooLate
from protocol.errors import MarketError

TIMEOUT_SECONDS = 120.0
TOLD_SECONDS = 2  # between two looks at what a task waits for, where somebody watches
LABELLED_TYPE = "zero-shot-classification"  # the one task type whose input has labels
ANSWER_SHOWN, TEXT_SHOWN = 32, 60


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--file", "files", multiple=True, metavar="FILE", help="A task a line; repeatable.")
@click.option("--type", "task_type", metavar="NAME", help="The task type; else the node's default.")
@click.option("--labels", metavar="A,B,…", help=f"What to choose from, for {LABELLED_TYPE}.")
@click.option("--seats", type=int, help="How many jurors; else the node's default.")
@click.option("--model", metavar="DIGEST", help="The model digest in hex; else the node's own.")
@click.option("--request-id", metavar="ID", help="The same id is the same task: safe to repeat.")
@click.option("--request-id-prefix", metavar="ID", help="The same for many tasks.")
@click.option("--wait", is_flag=True, help="Wait for the verdicts.")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    help="Seconds for all verdicts; else 120, or one a task if that is more.",
)
@node_command
def submit(
    *,
    texts: tuple[str, ...],
    files: tuple[str, ...],
    task_type: str | None,
    labels: str | None,
    seats: int | None,
    model: str | None,
    request_id: str | None,
    request_id_prefix: str | None,
    wait: bool,
    timeout: float | None,
    client: Client,
    as_json: bool,
) -> None:
    """Submit every TEXT as a task, and every line of a FILE; `-` is standard input.

    A line of a FILE that ends in .jsonl or .ndjson is a JSON object, such as {"text": "…"}, with
    the fields "type", "seats", "model" and "request_id" if it needs them.

    Prints the task ids. With --wait prints the verdicts, in the order of the tasks, and exits 0;
    exits 1 if a task was refused, split or void, else 75 if there is no verdict in time (it may
    still come). A single TEXT that is refused gives 2 if it cannot be, 75 if it cannot be now. With
    --json prints one document, or one a line if there may be many.
    """
    if not texts and not files:
        raise UsageError("there is nothing to submit: give a TEXT, a --file FILE, or - for input")
    options = {"type": task_type, "seats": seats, "model": model}
    items = [
        Item(one.place, _with_options(one.body, options, labels, place=one.place))
        for one in read_items(texts, files)
    ]
    if len(texts) == 1 and not files and texts[0] != STDIN:
        if request_id_prefix is not None:
            request_id = name_requests(items, request_id_prefix)[0]["request_id"]
        seconds = TIMEOUT_SECONDS if timeout is None else timeout
        _submit_one(client, items[0], request_id, wait=wait, seconds=seconds, as_json=as_json)
        return
    if request_id is not None:
        raise UsageError("--request-id names one task; for several give --request-id-prefix")
    seconds = max(TIMEOUT_SECONDS, len(items)) if timeout is None else timeout
    with _told_how_to_go_on(request_id_prefix) as prefix:
        bodies = name_requests(items, prefix)
        with shown_count("submitted", len(items), is_shown=sys.stderr.isatty()) as count:
            taken = submit_all(client, bodies, count=count)
        codes = _print_all(client, items, taken, wait=wait, seconds=seconds, as_json=as_json)
        if EXIT_LATER in codes:
            late = f"some tasks have no verdict within {seconds:g} s; it may still come"
            tell(late if wait else "some tasks were not taken in now; they may be later")
            raise Unfinished(EXIT_FAILED if EXIT_FAILED in codes else EXIT_LATER)
    if EXIT_FAILED in codes:
        exit_with(EXIT_FAILED)


class Unfinished(click.exceptions.Exit):
    """All was said, but not all is done."""


def with_labels(text: str, labels: str, task_type: str | None) -> str:
    """Return a text with labels to choose from, as the one task type takes it that has any.

    Raises:
        UsageError: Another task type was named.
    """
    if task_type not in (None, LABELLED_TYPE):
        raise UsageError(f"--labels: only {LABELLED_TYPE} takes them, not {task_type}")
    return json.dumps({"text": text, "labels": [label.strip() for label in labels.split(",")]})


@contextmanager
def shown_count(what: str, total: int, *, is_shown: bool) -> Iterator[Count]:
    """Draw a bar on standard error while something is counted, or draw nothing at all."""
    if not is_shown:
        yield lambda more: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from node.commands_show import console_of

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        console=console_of(error=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda more: progress.advance(bar, more)


def _submit_one(
    client: Client,
    item: Item,
    request_id: str | None,
    *,
    wait: bool,
    seconds: float,
    as_json: bool,
) -> None:
    answer = client.submit(**item.body, request_id=request_id)
    task_id = answer["task_id"]
    if not wait:
        print_json(answer) if as_json else click.echo(task_id)
        return
    is_told = sys.stderr.isatty()
    found = wait_until_settled(
        client,
        task_id,
        deadline=time.monotonic() + seconds,
        tell=_Teller() if is_told else None,
        wait_s=TOLD_SECONDS if is_told else WAIT_SECONDS,
    )
    if not found["settled"]:
        waiting = found["waiting"] or "a verdict"
        raise TooLate(
            f"no verdict within {seconds:g} s (waiting for {waiting}); it may still come: "
            f"aimarket task {task_id[:TASK_ID_SHOWN]}"
        )
    show_one(found, as_json=as_json)
    if found["chain_state"] != "final":
        exit_with(EXIT_FAILED)


def show_one(found: dict[str, Any], *, as_json: bool) -> None:
    """Print all of one task."""
    if as_json:
        print_json(found)
        return
    from node.commands_show import show_task

    show_task(found)


class _Teller:
    """Says what a task waits for whenever that is something else."""

    def __init__(self) -> None:
        self._told = ""

    def __call__(self, task: dict[str, Any]) -> None:
        if task["waiting"] not in ("", self._told):
            self._told = task["waiting"]
            tell(f"waiting for {self._told}")


def _with_options(
    body: dict[str, Any], options: dict[str, Any], labels: str | None, *, place: str
) -> dict[str, Any]:
    """Return a body with the options for whatever it does not say itself."""
    given = {name: value for name, value in options.items() if value is not None}
    whole = {**given, **body}
    if labels is None:
        return whole
    try:
        text = with_labels(whole["text"], labels, whole.get("type"))
    except UsageError as error:
        raise UsageError(f"{place}: {error}" if "type" in body else str(error)) from error
    return {**whole, "text": text, "type": LABELLED_TYPE}


@contextmanager
def _told_how_to_go_on(prefix: str | None) -> Iterator[str]:
    """Lend a prefix; if there is an end before the end, say how to repeat what is left."""
    own = secrets.token_hex(8) if prefix is None else prefix
    try:
        yield own
    except (MarketError, KeyboardInterrupt, click.Abort, Unfinished):
        tell(f"to go on, and submit nothing twice, repeat it with --request-id-prefix {own}")
        raise


def _print_all(
    client: Client,
    items: Sequence[Item],
    taken: Sequence[Taken],
    *,
    wait: bool,
    seconds: float,
    as_json: bool,
) -> set[int]:
    """Print what became of each task and return the exit codes that each calls for."""
    codes = set()
    is_shown = wait and sys.stderr.isatty() and not sys.stdout.isatty()
    with shown_count("settled", len(items), is_shown=is_shown) as count:
        found = (
            settled_in_order(client, taken, deadline=time.monotonic() + seconds)
            if wait
            else ({"task_id": one.task_id} if one.task_id else None for one in taken)
        )
        for item, one, task in zip(items, taken, found, strict=True):
            count(1)
            if task is None:
                _print_refusal(item, one, as_json=as_json)
            elif as_json:
                print_json_line(task)
            else:
                click.echo(_line(task) if wait else task["task_id"])
            sys.stdout.flush()
            codes.add(_code_of(one, task, wait=wait))
    return codes


def _print_refusal(item: Item, taken: Taken, *, as_json: bool) -> None:
    error = taken.error or {}
    if as_json:
        print_json_line({"text": item.body["text"], "error": error})
    tell(f"{item.place}: {error.get('message')} ({error.get('code')})")


def _line(task: dict[str, Any]) -> str:
    state = "cancelled" if task["cancelled"] else task["chain_state"]
    answer = "-" if task["answer"] is None else shortened(task["answer"], ANSWER_SHOWN)
    text = "(not text)" if task["text"] is None else shortened(task["text"], TEXT_SHOWN)
    return f"{task['task_id'][:TASK_ID_SHOWN]}  {printable(state)}  {answer}  {text}"


def _code_of(taken: Taken, task: dict[str, Any] | None, *, wait: bool) -> int:
    if task is None:
        return EXIT_LATER if taken.is_later else EXIT_FAILED
    if not wait or task["chain_state"] == "final":
        return 0
    return EXIT_FAILED if task["settled"] else EXIT_LATER

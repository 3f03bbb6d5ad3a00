"""The command that shows what happens at a node, as it happens."""

import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from node.commands import node_command, print_json_line, tell
from node.commands_text import TASK_ID_SHOWN, printable, shortened, who, whos
from node.rpc.client import Client, Event

TYPES = ("task", "commit", "jury", "reveal", "verdict", "cancel", "scores", "peer", "node")
ANSWER_SHOWN = 60


@click.command()
@click.option("--type", "types", multiple=True, type=click.Choice(TYPES), help="Only these types.")
@click.option("--task", "task_id", metavar="ID", help="Only this task and its retries.")
@click.option("--after", "event_id", metavar="EVENT", help="Go on after this event's id.")
@node_command
def watch(
    types: tuple[str, ...], task_id: str | None, event_id: str | None, client: Client, as_json: bool
) -> None:
    """Show what happens at the node until Ctrl-C: one line, or with --json one document, each.

    A node that is lost is waited for, and followed on where it was left; `gap` says that events
    are missing there. Ends when nobody reads any more.
    """
    with _until_reader_leaves():
        events = client.events(
            types=types,
            task=task_id,
            last_event_id=event_id,
            patience_s=float("inf"),
            note=tell,
        )
        for event in events:
            if as_json:
                print_json_line({"id": event.event_id, **event.document})
            else:
                at_s = event.document.get("at_ms", time.time() * 1_000) / 1_000  # a gap has none
                click.echo(f"{time.strftime('%H:%M:%S', time.localtime(at_s))}  {line_of(event)}")
            sys.stdout.flush()


def line_of(event: Event) -> str:
    """Say in one line what happened; nothing in it can command a terminal."""
    told = event.document
    words = _words(event.type, told)
    task_id = told.get("task_id")
    about = f"{printable(str(task_id))[:TASK_ID_SHOWN]}  " if task_id else ""
    return f"{printable(event.type):7}  {about}{words}"


def _words(kind: str, told: dict[str, Any]) -> str:
    if kind == "task":
        retry = f", tries {told['retry_of'][:TASK_ID_SHOWN]} again" if told["retry_of"] else ""
        by = who(told["submitter"])
        return printable(f"{told['task_type']}, {told['seats']} seats, asked by {by}{retry}")
    if kind in ("commit", "reveal"):
        more = told["count"] - len(told["workers"])
        verb = "sealed by" if kind == "commit" else "opened by"
        return f"{verb} {whos(told['workers'])}" + (f" and {more} more" if more else "")
    if kind == "jury":
        return f"{whos(told['jurors'])} seated by {who(told['by'])}"
    if kind == "verdict":
        answer = "" if told["answer"] is None else f": {shortened(told['answer'], ANSWER_SHOWN)}"
        return f"{printable(told['state'])}{answer}"
    if kind == "cancel":
        return "given up here"
    if kind == "scores":
        return f"state {printable(told['state_digest'])[:TASK_ID_SHOWN]}"
    if kind == "peer":
        return f"{who(told['worker'])} {'is here' if told['connected'] else 'left'}"
    if kind == "node":
        return _condition(told)
    if kind == "gap":
        missed = told["missed"]
        return f"{'some' if missed is None else missed} events are missing here"
    return ""  # of a newer node


def _condition(told: dict[str, Any]) -> str:
    if told["read_only"]:
        return f"read-only: {printable(told['read_only'])}"
    ready = "ready" if told["ready"] else f"waits for {printable(told['waiting'])}"
    signing = "" if told["signing"] else ", not signing"
    return f"{ready}{signing}{', behind: its disk limit is reached' * told['behind']}"


@contextmanager
def _until_reader_leaves() -> Iterator[None]:
    """End what is done inside once nobody reads standard output, even if nothing is written."""
    has_left = threading.Event()
    try:
        if threading.current_thread() is threading.main_thread():
            _look_out(has_left)
        yield
    except KeyboardInterrupt:
        if not has_left.is_set():
            raise
        raise BrokenPipeError from None


def _look_out(has_left: threading.Event) -> None:
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # it is no file of the system
    reader = select.poll()
    reader.register(descriptor, 0)  # whatever is asked for, a pipe whose other end is gone tells so

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    # Not SIGINT: a shell has what it starts in the background ignore that.
    signal.signal(signal.SIGUSR1, leave)

    def look_out() -> None:
        while not any(what & (select.POLLERR | select.POLLNVAL) for _, what in reader.poll()):
            time.sleep(1)  # a terminal that hung up, which has a signal of its own
        has_left.set()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    threading.Thread(target=look_out, daemon=True).start()

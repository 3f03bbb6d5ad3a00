"""The commands for the log as a file: export and import."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click

from node.commands import EXIT_FAILED, exit_with, node_command, print_json, tell
from node.errors import NotReachable, UsageError
from node.rpc.client import Client

if TYPE_CHECKING:
    from node.log_file import LogReader

RECORDS_SENT_MAX = 1_000  # in one request; a node takes 4,096
BYTES_SENT_MAX = 256 * 1024
REASONS_TOLD_MAX = 20

# Told how many records were sent.
Shown = Callable[[int], None]


@click.group()
def log() -> None:
    """Write the node's whole log out as a file, or take one in."""


@log.command(name="export")
@node_command
def export_log(client: Client, as_json: bool) -> None:
    """Print the whole log: aimarket log export > FILE.

    The file holds every signed record, and a sum that tells when it was cut. `aimarket verify FILE`
    checks it anywhere, `aimarket log import FILE` takes it in.
    """
    del as_json
    if sys.stdout.isatty():
        raise UsageError("a log is no text for a terminal: aimarket log export > FILE")
    written = 0
    try:
        for chunk in client.export_log():
            written += sys.stdout.buffer.write(chunk)
    except NotReachable as error:
        if written:
            raise NotReachable(f"the file is cut after {written} bytes: {error}") from error
        raise
    sys.stdout.buffer.flush()


@log.command(name="import")
@click.argument("file", type=click.File("rb"))
@node_command
def import_log(file: IO[bytes], client: Client, as_json: bool) -> None:
    """Take the records of an exported log in; FILE may be - for what is piped in.

    Every record passes the same checks as one of a peer. What the node has is left as it is, so
    the same file may be imported again, also after a part of it was. Exits 0 if nothing was
    refused, 1 if a record was, 2 if the file cannot be read to its end.
    """
    from node.log_file import LogReader, frame

    reader = LogReader(file)
    _check_network(reader, client)
    total: dict[str, Any] = {"records": 0, "new": 0, "known": 0, "refused": 0, "reasons": []}
    with _shown(reader.header.records) as shown:
        try:
            for some in _batches(reader):
                taken = client.import_log(b"".join(map(frame, some)))
                total["records"] += len(some)
                for name in ("new", "known", "refused"):
                    total[name] += taken[name]
                room = REASONS_TOLD_MAX - len(total["reasons"])
                total["reasons"] += taken["reasons"][:room]
                shown(total["records"])
        except UsageError as error:  # what was sent is in the log all the same
            sent = f"{total['records']} records before that were taken in or known"
            raise UsageError(f"{error}; {sent}, {total['refused']} of them refused") from error
    _tell_total(total, as_json=as_json)
    if total["refused"]:
        exit_with(EXIT_FAILED)


def _check_network(reader: "LogReader", client: Client) -> None:
    theirs, ours = reader.header.network, client.status()["network_id"]
    if theirs.network_id.hex() != ours:
        named = f"{theirs.network_id.hex()} ({theirs.params.name})"
        raise UsageError(f"the file: of network {named}, the node is of {ours}")


def _batches(reader: "LogReader") -> Iterator[list[bytes]]:
    """Cut the records of a file into what is sent at once.

    Raises:
        UsageError: The file cannot be read to its end; what came before was given out.
    """
    some: list[bytes] = []
    size = 0
    failure: UsageError | None = None
    records = iter(reader)
    while True:
        try:
            raw = next(records, None)
        except UsageError as error:
            raw, failure = None, error
        if some and (raw is None or len(some) == RECORDS_SENT_MAX or size >= BYTES_SENT_MAX):
            yield some
            some, size = [], 0
        if raw is None:
            break
        some.append(raw)
        size += len(raw)
    if failure is not None:
        raise failure


def _tell_total(total: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(total)
    else:
        counts = ", ".join(f"{total[name]:,} {name}" for name in ("new", "known", "refused"))
        click.echo(f"{total['records']:,} records: {counts}")
    for line in total["reasons"]:
        tell(f"refused: {line}")
    more = total["refused"] - len(total["reasons"])
    if more > 0:
        tell(f"refused: {more:,} more")


@contextmanager
def _shown(records: int) -> Iterator[Shown]:
    """Show a bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from node.commands_show import console_of

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console_of(error=True), transient=True) as progress:
        bar = progress.add_task("", total=records)
        yield lambda done: progress.update(bar, completed=done)

"""The commands that prove: certificate and verify."""

import io
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from node.commands import exit_with, node_command, print_json, tell
from node.commands_text import printable, shortened
from node.rpc.client import Client

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

EXIT_NOT_PROVEN = 1
BEGINNING_BYTES = 64  # enough to tell a log from a certificate
LOG_LIMITS = (
    "that this is all: no more was shown, and other nodes may hold more",
    "that the keys belong to different people: anyone can make keys",
)
STATE_COLOURS = {"final": "green", "split": "yellow", "void": "red"}


@click.command()
@click.argument("task_id", metavar="TASK")
@node_command
def certificate(task_id: str, client: Client, as_json: bool) -> None:
    """Print a file that proves what a task came to: aimarket certificate TASK > FILE.

    It holds the signed records of the task and of its retries. `aimarket verify FILE` checks it
    anywhere, without a node and without trust in this one. The file is JSON, with --json or not.
    """
    del as_json
    click.echo(json.dumps(client.certificate(task_id), indent=2))


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--task", "task_id", metavar="ID", help="The task it must be about, an id in hex.")
@click.option("--network", "network_id", metavar="ID", help="The network it must be of, in hex.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(file: BinaryIO, task_id: str | None, network_id: str | None, as_json: bool) -> None:
    """Check a certificate or an exported log, offline; FILE may be - for what is piped in.

    Says what it proves and what it does not. Exit code 0 if it is right, 1 if its records do not
    come to what it claims, 2 if it cannot be read.
    """
    from consensus.certificate_check import NotProven
    from node.errors import UsageError
    from node.log_check import LogWrong
    from node.log_file import is_log_file

    try:
        beginning = file.read(BEGINNING_BYTES)
        if is_log_file(beginning):
            if task_id is not None:
                raise UsageError("--task: the file is a whole log, not the certificate of a task")
            stream = io.BufferedReader(_Again(beginning, file))
            _verify_log(stream, network_id, as_json=as_json)
        else:
            _verify_certificate(beginning, file, task_id, network_id, as_json=as_json)
    except BrokenPipeError:  # whoever reads what is printed has enough; the file is not at fault
        raise
    except OSError as error:
        raise UsageError(f"{file.name}: {error.strerror}") from error
    except (NotProven, LogWrong) as error:
        if as_json:
            print_json({"proven": False, "wrong": str(error)})
        tell(f"Error: not proven: {error}")
        exit_with(EXIT_NOT_PROVEN)


class _Again(io.RawIOBase):
    """A stream whose beginning was read already, from its beginning on."""

    def __init__(self, beginning: bytes, rest: BinaryIO) -> None:
        self._beginning = beginning
        self._rest = rest

    def readable(self) -> bool:
        """Answer that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read as much as there is room for."""
        view = memoryview(buffer)
        data = self._beginning[: len(view)] or self._rest.read(len(view))
        self._beginning = self._beginning[len(view) :]
        view[: len(data)] = data
        return len(data)


def _verify_certificate(
    beginning: bytes,
    file: BinaryIO,
    task_id: str | None,
    network_id: str | None,
    *,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from consensus.certificate_check import NotProven, check
    from node.certificate_file import FILE_BYTES_MAX
    from node.certificate_reading import read_certificate
    from node.certificate_words import told_of

    raw = beginning + file.read(FILE_BYTES_MAX + 1)
    told = told_of(check(read_certificate(raw)))
    if task_id is not None and task_id.lower() not in told.task_ids:
        of = f"it is about {', '.join(told.task_ids)}"
        raise NotProven(f"--task {shortened(task_id, 70)}: {of}")
    _check_network(network_id, told.network_id)
    if as_json:
        print_json({"kind": "certificate", "proven": True, **asdict(told)})
        return
    answer = "" if told.answer is None else f": {_text(told.answer)}"
    state = click.style(told.state, fg=STATE_COLOURS.get(told.state), bold=True)
    click.echo(f"task {told.task_id}\n{state}{answer}")
    click.echo(f"{shortened(told.task_type, 32)}: {_text(told.text)}")
    _show(told.proves, told.does_not_prove)


def _verify_log(stream: BinaryIO, network_id: str | None, *, as_json: bool) -> None:
    from node.log_check import check_log

    report = check_log(stream, _tell_progress if sys.stderr.isatty() else lambda *_: None)
    named = report.network.network_id.hex()
    _check_network(network_id, named)
    tasks = {state.name.lower(): count for state, count in report.tasks.items()}
    proves = (
        f"{report.records} signed records of network {report.network.params.name!r} ({named})",
        "tasks: " + ", ".join(f"{count} {state}" for state, count in tasks.items()),
        f"state digest {report.state_digest.hex()}",
    )
    if as_json:
        print_json(
            {
                "kind": "log",
                "proven": True,
                "network_id": named,
                "records": report.records,
                "tasks": tasks,
                "state_digest": report.state_digest.hex(),
                "proves": proves,
                "does_not_prove": LOG_LIMITS,
            }
        )
        return
    click.echo("log")
    _show(proves, LOG_LIMITS)


def _tell_progress(done: int, total: int) -> None:
    click.echo(f"\r{done} of {total} records", nl=done == total, err=True)


def _check_network(wanted: str | None, found: str) -> None:
    from consensus.certificate_check import NotProven

    if wanted is not None and wanted.lower() != found:
        raise NotProven(f"--network {shortened(wanted, 70)}: it is of network {found}")


def _show(proves: Sequence[str], does_not_prove: Sequence[str]) -> None:
    for title, lines in (("Proves", proves), ("Does not prove", does_not_prove)):
        click.echo("\n" + click.style(title, bold=True))
        for line in lines:
            click.echo(f"  {printable(line)}")


def _text(value: Any) -> str:
    """Show text, or that there is none."""
    return shortened(value, 60) if isinstance(value, str) else "(not text)"

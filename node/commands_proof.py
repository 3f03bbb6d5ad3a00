"""The commands that prove: certificate and verify."""

import json
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from node.commands import exit_with, node_command, print_json, tell
from node.commands_text import printable, shortened
from node.rpc.client import Client

if TYPE_CHECKING:
    from node.certificate_words import ProofView

EXIT_NOT_PROVEN = 1
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
def verify(file: IO[bytes], task_id: str | None, network_id: str | None, as_json: bool) -> None:
    """Check a certificate, offline; FILE may be - for what is piped in.

    Says what it proves and what it does not. Exit code 0 if it is right, 1 if its records do not
    come to what it claims, 2 if it cannot be read.
    """
    from consensus.certificate_check import NotProven, check
    from node.certificate_file import FILE_BYTES_MAX
    from node.certificate_reading import read_certificate
    from node.certificate_words import told_of
    from node.errors import UsageError

    try:
        raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{file.name}: {error.strerror}") from error
    try:
        told = told_of(check(read_certificate(raw)))
    except NotProven as error:
        _refuse(str(error), as_json=as_json)
    if task_id is not None and task_id.lower() not in told.task_ids:
        is_about = f"it is about {', '.join(told.task_ids)}"
        _refuse(f"--task {shortened(task_id, 70)}: {is_about}", as_json=as_json)
    if network_id is not None and network_id.lower() != told.network_id:
        is_of = f"it is of network {told.network_id}"
        _refuse(f"--network {shortened(network_id, 70)}: {is_of}", as_json=as_json)
    if as_json:
        from dataclasses import asdict

        print_json({"proven": True, **asdict(told)})
    else:
        _show(told)


def _refuse(why: str, *, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"proven": False, "wrong": why})
    tell(f"Error: not proven: {why}")
    exit_with(EXIT_NOT_PROVEN)


def _show(told: "ProofView") -> None:
    answer = "" if told.answer is None else f": {_text(told.answer)}"
    state = click.style(told.state, fg=STATE_COLOURS.get(told.state), bold=True)
    click.echo(f"task {told.task_id}\n{state}{answer}")
    click.echo(f"{shortened(told.task_type, 32)}: {_text(told.text)}")
    for title, lines in (("Proves", told.proves), ("Does not prove", told.does_not_prove)):
        click.echo("\n" + click.style(title, bold=True))
        for line in lines:
            click.echo(f"  {printable(line)}")


def _text(value: Any) -> str:
    """Show text, or that there is none."""
    return shortened(value, 60) if isinstance(value, str) else "(not text)"

"""`aimarket-node verify` and `repair`: for the store of a node that does not run."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from node.commands import SCHEMA
from node.errors import StartError, StoreError
from node.keys import key_path, read_key
from node.operate import Place, at_a_place
from node.repair import Repaired, repair_store
from node.store.directory import read_marker
from node.store.open import looking_at
from node.verify import Progress, Report, verify_store
from protocol.ids import PublicKey

FOUND_EXIT_CODE = 1
UNREADABLE_EXIT_CODE = 3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_a_place
def verify(place: Place, as_json: bool) -> None:
    """Read the whole store, check every signature, count everything anew, and compare.

    Nothing is changed. Ends with 0 if all is right, 1 if something is wrong, 3 if something cannot
    be read at all.
    """
    network = place.network
    try:
        with (
            looking_at(place.directory, network_id=network.network_id, nickname=place.node_id) as (
                marker,
                store,
            ),
            _told() as progress,
        ):
            report = verify_store(
                store.log,
                store.journal_entries,
                network=network,
                public_key=PublicKey(marker.public_key),
                progress=progress,
            )
            if store.torn:
                report.notes.append("the last write of the journal was cut short")
    except StoreError as error:
        if as_json:
            click.echo(json.dumps({"schema": SCHEMA, "ok": False, "unreadable": str(error)}))
        raise
    _print(report, as_json=as_json, node_id=place.node_id)
    if not report.is_ok:
        sys.exit(FOUND_EXIT_CODE)


@click.command()
@at_a_place
def repair(place: Place) -> None:
    """Put a whole log in the place of a damaged one.

    The damaged log is moved aside, never deleted. Every record in it that is still right is kept,
    and all that this key said is put back from the journal; peers send the rest when the node
    starts. The journal itself is never changed: a damaged one cannot be repaired.
    """
    if not place.directory.is_dir():
        raise StartError(f"there is no directory {place.directory}")
    with _told() as progress:
        repaired = repair_store(
            place.directory,
            network=place.network,
            public_key=_public_key_of(place),
            nickname=place.node_id,
            progress=lambda what, records: progress(what, records, 0),
        )
    for line in _lines_of(repaired):
        click.echo(line)
    click.echo(f"start {place.node_id}: its peers send it what is missing")


def _public_key_of(place: Place) -> PublicKey:
    """Return whose store it is; without a marker the key itself has to say so."""
    try:
        marker = read_marker(place.directory)
    except StoreError:
        marker = None
    if marker is not None:
        return PublicKey(marker.public_key)
    path = key_path(place.directory, place.key_file)
    if not os.path.lexists(path):
        raise StartError(f"the key {path} is missing, and no marker says whose store this is")
    return read_key(path).public_key


def _lines_of(repaired: Repaired) -> Iterator[str]:
    if repaired.kept_at is not None:
        yield f"the damaged log is kept at {repaired.kept_at}"
    yield f"salvaged {repaired.salvaged:,} records, each checked anew"
    if repaired.restored:
        yield f"put back {repaired.restored:,} records of this key from its journal"
    if repaired.refused or repaired.gaps:
        bad = f"{repaired.refused:,} rows were not what was written"
        yield f"{bad}; {repaired.gaps:,} places could not be read"
    if repaired.lost:
        yield f"lost {repaired.lost:,} records that the old log listed"
    yield f"the new log holds {repaired.records:,} records"


def _print(report: Report, *, as_json: bool, node_id: str) -> None:
    if as_json:
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "ok": report.is_ok,
            "checked": report.checked,
            "findings": report.findings,
            "more": report.more,
            "notes": report.notes,
        }
        click.echo(json.dumps(document))
        return
    checked = ", ".join(f"{count:,} {what}" for what, count in report.checked.items())
    for line in report.findings:
        click.echo(line)
    if report.more:
        click.echo(f"and {report.more:,} more")
    for line in report.notes:
        click.echo(f"note: {line}")
    if report.is_ok:
        click.echo(f"checked {checked}: ok")
    else:
        click.echo(f"checked {checked}: run `aimarket-node repair --id {node_id}`")


@contextmanager
def _told() -> Iterator[Progress]:
    """Show progress on standard error: a bar on a terminal, a line for each step elsewhere."""
    if sys.stderr.isatty():
        with _bar() as progress:
            yield progress
        return
    said: list[str] = []

    def say(what: str, done: int, total: int) -> None:
        del done, total
        if what not in said:
            said.append(what)
            click.echo(f"{what} ...", err=True)

    yield say


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        yield show

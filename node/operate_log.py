"""`aimarket-node log`: the log of a node that stands still as a file."""

import sys

import click

from node.errors import UsageError
from node.log_file import log_chunks
from node.operate import Place, at_a_place
from node.store.open import looking_at


@click.group()
def log() -> None:
    """Write the log of a node that does not run out as a file."""


@log.command()
@at_a_place
def export(place: Place) -> None:
    """Print the whole log: aimarket-node log export > FILE.

    The file is that of `aimarket log export`: any node of the network takes it in with
    `aimarket log import`. It holds nothing secret, and nothing that lets this node sign again.
    """
    if sys.stdout.isatty():
        raise UsageError("a log is no text for a terminal: aimarket-node log export > FILE")
    network = place.network
    with looking_at(place.directory, network_id=network.network_id, nickname=place.node_id) as (
        _,
        store,
    ):
        for chunk in log_chunks(store.log, network):
            sys.stdout.buffer.write(chunk)

"""`aimarket-node adopt`: the operator's word that this directory is the only one of its key."""

import click

from node.errors import StartError
from node.operate import Place, at_a_place
from node.store.directory import MARKER_NAME, DataDirectory
from node.store.halted import order_adoption


@click.command()
@at_a_place
def adopt(place: Place) -> None:
    """Let a node go on that was rolled back, or whose journal lost its end.

    A node stops for good, with exit code 4, when it meets words of its own that its journal does
    not know: its directory was copied, or put back from a backup. Say this only if no other copy
    of it runs. At its next start it takes back from its peers what it said, then signs again.
    """
    if not (place.directory / MARKER_NAME).exists():
        raise StartError(f"{place.directory} was never used; nothing is there to adopt")
    directory = DataDirectory(place.directory, nickname=place.node_id)
    try:
        order_adoption(place.directory)
    finally:
        directory.close()
    click.echo(f"{place.node_id} takes back what it said from its peers when it starts next,")
    click.echo(
        "and signs again half a minute after the last of it came. See that no other copy runs."
    )

"""The commands about the network and the node: leaderboard, peers, status, health, version."""

import click

from node.commands import node_command, print_json
from node.commands_text import who
from node.rpc.client import Client


@click.command()
@click.option("--of", "peer", metavar="PEER", help="As that peer computes it, by name or peer id.")
@node_command
def leaderboard(peer: str | None, client: Client, as_json: bool) -> None:
    """Show the scores as this node computes them, or as a peer does or did some 10 s ago."""
    answer = client.leaderboard() if peer is None else client.leaderboard_of(peer)
    if as_json:
        print_json({"leaderboard": answer} if peer is None else answer)
        return
    from node.commands_show import show_leaderboard

    if peer is None:
        show_leaderboard(answer)
        return
    show_leaderboard(answer["leaderboard"])
    same = "the same as ours" if answer["same_as_ours"] else "NOT the same as ours at this moment"
    click.echo(f"as computed by {who(answer['of'])} from {answer['records']} records")
    click.echo(f"state digest {answer['state_digest'][:16]}: {same}")


@click.command()
@node_command
def peers(client: Client, as_json: bool) -> None:
    """List who is connected, or heard of."""
    answer = client.peers()
    if as_json:
        print_json({"peers": answer})
        return
    from node.commands_show import show_peers

    show_peers(answer)


@click.command()
@node_command
def status(client: Client, as_json: bool) -> None:
    """Show how the node is."""
    answer = client.status()
    if as_json:
        print_json(answer)
        return
    from node.commands_show import show_status

    show_status(answer)


@click.command()
@click.option("--ready", "is_ready_asked", is_flag=True, help="Ask if it can take part in full.")
@node_command
def health(is_ready_asked: bool, client: Client, as_json: bool) -> None:
    """Exit 0 if the node serves, 69 if it cannot be reached.

    With --ready, exit 75 if it serves and still waits: for its model, for a peer, for its disk.
    """
    answer = client.ready() if is_ready_asked else client.health()
    print_json(answer) if as_json else click.echo("ready" if is_ready_asked else "ok")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def version(as_json: bool) -> None:
    """Print the version of this program."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        found = version_of("aimarket")
    except PackageNotFoundError:
        found = "unknown"
    print_json({"version": found}) if as_json else click.echo(f"aimarket {found}")

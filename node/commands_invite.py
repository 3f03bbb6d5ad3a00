"""`aimarket invite`: one link, and its QR code, by which others join."""

import io
import sys
from typing import TYPE_CHECKING, Any

import click

from node.commands import node_command, print_json, tell
from node.errors import StartError, UsageError
from node.rpc.client import Client

if TYPE_CHECKING:
    from protocol.params import Network

QR_BORDER = 2  # modules; the standard asks for four, which readers do without
QR_COLUMNS_MAX = 120  # of a code that is wider, a terminal would break the lines


@click.command()
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="ADDR",
    help="Where others reach the node; repeatable.  [default: what it knows of itself]",
)
@click.option("--no-qr", is_flag=True, help="Print the link alone.")
@node_command
def invite(addresses: tuple[str, ...], no_qr: bool, client: Client, as_json: bool) -> None:
    """Print a link by which others join: aimarket-node --join LINK --id NAME.

    It holds the network, this node's name in it, and where it is. Whoever has the link of an open
    network can write there; to one that lists its members the file must be given, too.
    """
    from node.invite import make_invite, write_invite

    network = network_of_view(client.network())
    status = client.status()
    reached = chosen_addresses(addresses, status)
    made = make_invite(network, status["peer_id"], reached)
    link = write_invite(made)
    if as_json:
        print_json(
            {
                "link": link,
                "network_id": made.network_id.hex(),
                "name": made.name,
                "peer_id": made.peer_id,
                "addresses": list(made.addresses),
                "needs_file": made.network is None,
            }
        )
        return
    if sys.stdout.isatty() and not no_qr:
        click.echo(qr_code(link), nl=False)
    click.echo(link)
    if made.network is None:
        tell("this network lists its members: give its file, too (aimarket network show)")
    if all(is_local(one) for one in made.addresses):
        tell("warning: only this machine can be reached there; see --address")


def chosen_addresses(named: tuple[str, ...], status: dict[str, Any]) -> tuple[str, ...]:
    """Return full addresses of a node: those that were named, else its own, the widest first.

    Raises:
        UsageError: One that was named is no address of this node, or they are too many.
        StartError: It has none.
    """
    from bootstrap.addresses import BadAddress, parse_address
    from node.invite import ADDRESSES_MAX

    peer_id: str = status["peer_id"]
    if named:
        found = []
        for text in named:
            try:
                full = text if "/p2p/" in text else f"{text}/p2p/{peer_id}"
                address = parse_address(full)
            except BadAddress as error:
                raise UsageError(f"--address: {error}") from error
            if address.peer_id != peer_id:
                raise UsageError(f"--address {text}: is of another node, this one is {peer_id}")
            found.append(address.text)
        distinct = tuple(dict.fromkeys(found))
        if len(distinct) > ADDRESSES_MAX:
            raise UsageError(f"--address: {len(distinct)} of them, at most {ADDRESSES_MAX}")
        return distinct
    own = [parse_address(text).text for text in status["addresses"]]
    if not own:
        raise StartError("the node listens nowhere; name an --address")
    wide = [one for one in own if not is_local(one)]
    return tuple(wide or own)


def is_local(address: str) -> bool:
    """Answer whether an address is that of the loopback interface."""
    return address.startswith(("/ip4/127.", "/ip6/::1/"))


def network_of_view(view: dict[str, Any]) -> "Network":
    """Return the network that a node shows.

    Raises:
        StartError: This program makes another one of it than the node.
    """
    from node.network_file import read_member
    from protocol.params import NetworkParams, network_of

    keys = [key for key in map(read_member, view["members"]) if key is not None]
    genesis = bytes.fromhex(view["genesis"])
    params = NetworkParams(
        genesis=genesis, name=view["name"], members=tuple(sorted(keys)), **view["limits"]
    )
    network = network_of(params)
    if network.network_id.hex() != view["network_id"]:
        raise StartError(f"the node is of network {view['network_id']}; is it of another version?")
    return network


def qr_code(link: str) -> str:
    """Draw the QR code of a link; empty where the terminal cannot show it."""
    import segno

    code = segno.make(link.upper(), error="l", micro=False)
    if code.symbol_size(border=QR_BORDER)[0] > QR_COLUMNS_MAX or not _shows_blocks():
        return ""
    drawn = io.StringIO()
    code.terminal(out=drawn, compact=True, border=QR_BORDER)
    return drawn.getvalue()


def _shows_blocks() -> bool:
    try:
        "▀▄█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

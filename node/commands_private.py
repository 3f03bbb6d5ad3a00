"""`aimarket network`: makes the file of a private network, and shows what a network is."""

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from node.commands import node_finder, print_json
from node.commands_text import printable
from node.errors import StartError, UsageError
from node.network_limits import MEMBERS_MAX, WORK_BITS_MAX, check_params
from node.rpc.client import Client
from node.store.files import create_file
from protocol.errors import Malformed
from protocol.ids import PublicKey
from protocol.params import GENESIS_BYTES, NetworkParams, network_of

MEMBERS_FILE_BYTES_MAX = 256 * 1024


@click.group()
def network() -> None:
    """Make a network of one's own, or look at one."""


@network.command()
@click.argument("name")
@click.option(
    "--member",
    "members",
    multiple=True,
    metavar="KEY|FILE",
    help="Who may write: a peer id, a public key in hex, or a file with one a line; repeatable.  "
    "[default: everybody who has the file]",
)
@click.option(
    "--work-bits",
    type=int,
    default=0,
    metavar="N",
    help=f"Work asked for every record, in zero bits, 0 to {WORK_BITS_MAX}.  [default: none]",
)
@click.option(
    "--bootstrap",
    multiple=True,
    metavar="ADDR",
    help="Where to dial first; repeatable.  [default: none, each node needs --bootstrap or --join]",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write it.  [default: print it]")
@click.option("--json", "as_json", is_flag=True, help="Print its id as JSON; needs --output.")
def new(
    name: str,
    members: tuple[str, ...],
    work_bits: int,
    bootstrap: tuple[str, ...],
    output: str | None,
    as_json: bool,
) -> None:
    """Make the file of a new private network called NAME.

    Every node of it starts with --network FILE. Whoever has the file can read all that is said
    there, and without members can write, too: give it to nobody else.
    """
    from node.config import check_bootstrap
    from node.network_file import BOOTSTRAP_MAX, NetworkFile, write_network

    if as_json and output is None:
        raise UsageError("--json: needs --output, for the file itself is printed without it")
    if not 0 <= work_bits <= WORK_BITS_MAX:
        raise UsageError(f"--work-bits {work_bits}: need 0 to {WORK_BITS_MAX}")
    if len(bootstrap) > BOOTSTRAP_MAX:
        raise UsageError(f"--bootstrap: {len(bootstrap)} of them, at most {BOOTSTRAP_MAX}")
    addresses = check_bootstrap(bootstrap)
    try:
        params = check_params(
            NetworkParams(
                genesis=secrets.token_bytes(GENESIS_BYTES),
                name=name,
                record_work_bits=work_bits,
                members=members_of(members),
            )
        )
    except Malformed as error:
        raise UsageError(str(error)) from error
    except UnicodeEncodeError as error:
        raise UsageError(f"name = {name!r}: need text of real characters") from error
    made = network_of(params)
    text = write_network(NetworkFile(made, addresses))
    if output is None:
        click.echo(text, nl=False)
        return
    _create(Path(output), text)
    if as_json:
        print_json({"network_id": made.network_id.hex(), "file": output})
    else:
        click.echo(printable(f"{output}: network {name}, {made.network_id.hex()}"))


@network.command()
@click.argument("file", required=False, metavar="[FILE]")
@node_finder
def show(file: str | None, find_client: Callable[[], Client], as_json: bool) -> None:
    """Show the network of FILE, else that of the running node: its id, limits and members."""
    bootstrap: tuple[str, ...] = ()
    if file is None:
        found = find_client().network()
    else:
        from node.network_file import load_network
        from node.show import network_view

        read = load_network(Path(file), by="")
        found, bootstrap = asdict(network_view(read.network)), read.bootstrap
    if as_json:
        print_json({**found, **({} if file is None else {"bootstrap": bootstrap})})
        return
    from node.commands_show import show_pairs

    members = found["members"]
    show_pairs(
        [
            ("name", found["name"]),
            ("network id", found["network_id"]),
            ("genesis", found["genesis"]),
            *((name, str(value)) for name, value in found["limits"].items()),
            ("who may write", f"{len(members)} members" if members else "everybody who joins"),
            *(("member", one) for one in members),
            *(("bootstrap", one) for one in bootstrap),
        ]
    )


def members_of(values: tuple[str, ...]) -> tuple[PublicKey, ...]:
    """Read keys, and files of keys.

    Raises:
        UsageError: One is neither, or comes twice.
    """
    from node.network_file import MEMBER_NEED, read_member

    found: dict[PublicKey, str] = {}
    for value in values:
        for text, where in _member_texts(value):
            key = read_member(text)
            if key is None:
                raise UsageError(f"{where} {text[:80]!r}: need {MEMBER_NEED}")
            if key in found:
                raise UsageError(f"{where} {text!r}: comes twice, {found[key]} is the same")
            found[key] = text
    if len(found) > MEMBERS_MAX:
        raise UsageError(f"--member: {len(found)} of them, at most {MEMBERS_MAX}")
    return tuple(sorted(found))


def _member_texts(value: str) -> Iterator[tuple[str, str]]:
    """Walk the keys that a value names, each with where it stands."""
    from node.network_file import read_member

    path = Path(os.path.expanduser(value))
    if read_member(value) is not None or not path.is_file():
        yield value, "--member"
        return
    try:
        with path.open("rb") as file:
            raw = file.read(MEMBERS_FILE_BYTES_MAX + 1)
        text = raw.decode()
    except OSError as error:
        raise UsageError(f"--member {value}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--member {value}: not UTF-8 text") from error
    if len(raw) > MEMBERS_FILE_BYTES_MAX:
        raise UsageError(f"--member {value}: more than {MEMBERS_FILE_BYTES_MAX} bytes")
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if words:  # what follows a key is for people, such as whose it is
            yield words[0], f"{value}:{number}"


def _create(path: Path, text: str) -> None:
    """Write a new file for its owner alone; one that is there is somebody's network."""
    try:
        create_file(path, text.encode())
    except FileExistsError:
        raise StartError(f"--output {path}: is there already, and is not overwritten") from None
    except OSError as error:
        raise StartError(f"--output {path}: {error.strerror}") from error

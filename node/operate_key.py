"""`aimarket-node key`: whose the key is, and the passphrase over it."""

import contextlib
import os
from collections.abc import Iterator

import click

from node.commands import print_json
from node.errors import StartError
from node.keys import KeyFile, key_path, load_key, open_key, read_key, replace_key
from node.names import peer_id_of
from node.operate import Place, at_a_place
from node.passphrase import ask_new_passphrase, read_passphrase_file
from node.store.directory import DataDirectory


@click.group()
def key() -> None:
    """Look at the key of a node, make it, or put a passphrase on it or take it off."""


@key.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_a_place
def new(place: Place, as_json: bool) -> None:
    """Make the key of a node that was never started, and say whose it is.

    A node makes its own at its first start; a member of a network must be known before.
    """
    path = key_path(place.directory, place.key_file)
    if os.path.lexists(path):
        raise StartError(f"there is a key {path} already, and it is not replaced")
    load_key(place.directory, key_file=place.key_file, passphrase_file=place.passphrase_file)
    _show(_found(place), as_json=as_json)


@key.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_a_place
def show(place: Place, as_json: bool) -> None:
    """Say whose the key is. No passphrase is needed, and no secret is shown."""
    _show(_found(place), as_json=as_json)


@key.command()
@at_a_place
def protect(place: Place) -> None:
    """Put a passphrase on the key: that of --passphrase-file, or one to be typed twice.

    Older copies of the file keep the key without it.
    """
    with _standing_still(place):
        found = _found(place)
        if found.is_sealed:
            remedy = "to change it, take it off first with `aimarket-node key unprotect`"
            raise StartError(f"the key {found.path} has a passphrase already; {remedy}")
        file = place.passphrase_file
        passphrase = ask_new_passphrase(found.path) if file is None else read_passphrase_file(file)
        replace_key(found.path, open_key(found, None), passphrase)
    click.echo(f"{found.path} is sealed; without its passphrase it is lost")


@key.command()
@at_a_place
def unprotect(place: Place) -> None:
    """Take the passphrase off the key: whoever reads the file has it."""
    with _standing_still(place):
        found = _found(place)
        if not found.is_sealed:
            raise StartError(f"the key {found.path} has no passphrase")
        file = place.passphrase_file
        passphrase = None if file is None else read_passphrase_file(file)
        replace_key(found.path, open_key(found, passphrase), None)
    click.echo(f"{found.path} is no longer sealed; see that nobody else can read it")


def _show(found: KeyFile, *, as_json: bool) -> None:
    fields = {
        "peer_id": peer_id_of(found.public_key),
        "public_key": found.public_key.hex(),
        "file": str(found.path),
        "sealed": found.is_sealed,
    }
    if as_json:
        print_json(fields)
        return
    click.echo(f"peer id     {fields['peer_id']}")
    click.echo(f"public key  {fields['public_key']}")
    click.echo(f"file        {fields['file']}")
    click.echo(f"passphrase  {'yes' if found.is_sealed else 'none'}")


def _found(place: Place) -> KeyFile:
    path = key_path(place.directory, place.key_file)
    if not os.path.lexists(path):
        raise StartError(f"there is no key {path}; a node makes its own at its first start")
    return read_key(path)


@contextlib.contextmanager
def _standing_still(place: Place) -> Iterator[None]:
    """See that no node runs on the directory meanwhile; a key elsewhere needs no directory.

    Raises:
        StartError: One does.
    """
    _found(place)  # a mistyped name leaves nothing behind
    with contextlib.ExitStack() as stack:
        if place.directory.is_dir():
            stack.callback(DataDirectory(place.directory, nickname=place.node_id).close)
        yield

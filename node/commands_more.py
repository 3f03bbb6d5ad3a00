"""The commands around the others: key show, completion, open."""

import sys
import webbrowser

import click

from node.commands import node_command, print_json
from node.commands_text import printable
from node.errors import UsageError
from node.rpc.client import Client

SHELLS = ("bash", "zsh", "fish")


class KeyGroup(click.Group):
    """The part of `aimarket-node key` that changes nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the one name."""
        del ctx
        return ["show"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load it; None for what only `aimarket-node key` does."""
        del ctx
        if cmd_name != "show":
            return None
        from node.operate_key import show

        return show


@click.group(cls=KeyGroup)
def key() -> None:
    """Look at the key of a node; `aimarket-node key` changes it."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what completes `aimarket`, `aimarket-node` and `aimarket-bootstrap` in a shell.

    For bash: aimarket completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    from node.bootstrap_main import bootstrap
    from node.main import main as node_main

    found = get_completion_class(shell)
    assert found is not None, "Click knows these shells"
    cli = click.get_current_context().find_root().command
    programs = {"aimarket": cli, "aimarket-node": node_main, "aimarket-bootstrap": bootstrap}
    for program, command in programs.items():
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
        script = found(command, {}, program, variable)
        click.echo(script.source_template % script.source_vars())


@click.command(name="open")
@click.option("--print", "is_printed", is_flag=True, help="Print the address alone.")
@node_command
def open_(is_printed: bool, client: Client, as_json: bool) -> None:
    """Print the node's address with its secret, for a browser on this machine.

    Whoever has the address can do what you can. The secret is behind the #, which a browser sends
    to nobody. On a terminal the browser is opened, at the address without the secret: a list of
    processes would show it to every user of this machine.
    """
    endpoint = client.endpoint
    if not endpoint.token:
        raise UsageError(f"no secret is known for {endpoint.url}; name its --token-file")
    address = f"{endpoint.url}/#token={endpoint.token}"
    if as_json:
        print_json({"url": address})
        return
    click.echo(printable(address))
    if not is_printed and sys.stdout.isatty():
        webbrowser.open(f"{endpoint.url}/")

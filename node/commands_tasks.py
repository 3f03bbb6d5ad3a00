"""The commands about tasks: task, tasks, cancel."""

import click

from node.commands import node_command, print_json
from node.commands_submit import show_one
from node.rpc.client import Client

STATES = ("open", "seated", "final", "split", "void")


@click.command()
@click.argument("task_id")
@node_command
def task(task_id: str, client: Client, as_json: bool) -> None:
    """Show all that the node knows of a task, by its id or the first 8 digits."""
    show_one(client.task(task_id), as_json=as_json)


@click.command()
@click.option("--mine", is_flag=True, help="Only those this node submitted.")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@node_command
def tasks(mine: bool, state: str | None, limit: int, client: Client, as_json: bool) -> None:
    """List tasks, the newest first."""
    found = client.tasks(mine=mine, state=state, limit=limit)
    if as_json:
        print_json({"tasks": found})
        return
    from node.commands_show import show_tasks

    show_tasks(found)


@click.command()
@click.argument("task_id")
@node_command
def cancel(task_id: str, client: Client, as_json: bool) -> None:
    """Stop caring for an own task: it is neither seated nor retried."""
    found = client.cancel(task_id)
    print_json(found) if as_json else click.echo(f"cancelled {found['task_id']}")

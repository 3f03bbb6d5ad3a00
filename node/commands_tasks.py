"""The commands about tasks: task, tasks, cancel."""

from collections.abc import Iterator
from typing import Any

import click

from node.commands import node_command, print_json
from node.commands_submit import show_one
from node.rpc.client import PAGE_TASKS_MAX, Client

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
@click.option("--type", "task_type", metavar="NAME", help="Only those of this task type.")
@click.option("--submitter", metavar="WHO", help="Only those of this worker, by name or peer id.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--all", "is_all", is_flag=True, help="All that fit, however many.")
@node_command
def tasks(
    *,
    mine: bool,
    state: str | None,
    task_type: str | None,
    submitter: str | None,
    limit: int,
    is_all: bool,
    client: Client,
    as_json: bool,
) -> None:
    """List tasks, the newest first."""
    fields = {"state": state, "type": task_type, "submitter": submitter}
    if is_all:
        found = list(all_tasks(client, mine=mine, **fields))
    else:
        found = client.tasks(mine=mine, limit=limit, **fields)
    if as_json:
        print_json({"tasks": found})
        return
    from node.commands_show import show_tasks

    show_tasks(found)


def all_tasks(client: Client, *, mine: bool, **fields: str | None) -> Iterator[dict[str, Any]]:
    """Iterate over every task that fits, page by page."""
    cursor: str | None = None
    while True:
        page = client.task_page(limit=PAGE_TASKS_MAX, mine=mine, cursor=cursor, **fields)
        yield from page["tasks"]
        cursor = page["next"]
        if cursor is None:
            return


@click.command()
@click.argument("task_id")
@node_command
def cancel(task_id: str, client: Client, as_json: bool) -> None:
    """Stop caring for an own task: it is neither seated nor retried."""
    found = client.cancel(task_id)
    print_json(found) if as_json else click.echo(f"cancelled {found['task_id']}")

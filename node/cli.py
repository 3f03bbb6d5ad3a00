"""The `aimarket` command: talks to a node on this machine.

It starts in a fifth of a second because nothing is imported that a command does not need, and
nothing heavy at all: no libp2p, no torch, no pydantic. Tables are drawn by Rich, which is imported
when one is drawn.
"""

import sys

import click

from node.command_group import LazyCommands
from node.commands import run_to_exit_code

# In the order in which help shows them: where each command is.
COMMANDS = {
    "submit": "node.commands_submit",
    "task": "node.commands_tasks",
    "tasks": "node.commands_tasks",
    "cancel": "node.commands_tasks",
    "watch": "node.commands_watch",
    "leaderboard": "node.commands_network",
    "peers": "node.commands_network",
    "status": "node.commands_network",
    "network": "node.commands_private",
    "invite": "node.commands_invite",
    "sync": "node.commands_sync",
    "health": "node.commands_network",
    "explain": "node.commands_explain",
    "worker": "node.commands_explain",
    "diff": "node.commands_diff",
    "certificate": "node.commands_proof",
    "verify": "node.commands_proof",
    "log": "node.commands_log",
    "open": "node.commands_more:open_",
    "config": "node.commands_config",
    "key": "node.commands_more",
    "demo": "node.demo",
    "simulate": "node.commands_simulate",
    "completion": "node.commands_more",
    "version": "node.commands_network",
}


@click.command(
    cls=LazyCommands,
    places=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 69 no node, 75 not in time, 77 refused, "
    "130 Ctrl-C.",
)
def cli() -> None:
    """Ask a peer-to-peer market for AI inference, through a node on this machine.

    The node is found by --id or --rpc, by AIMARKET_RPC_URL (with AIMARKET_TOKEN_FILE) or
    AIMARKET_ID, by config.toml, or is the only one that runs. AIMARKET_HOME says where nodes keep
    their state.
    """


def main(args: list[str] | None = None) -> int:
    """Run `aimarket` and return its exit code."""
    return run_to_exit_code(cli, args)


if __name__ == "__main__":
    sys.exit(main())

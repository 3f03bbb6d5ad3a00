"""The `aimarket` command: talks to a node on this machine.

It starts in a fifth of a second because nothing heavy is imported here: no libp2p, no torch, no
pydantic. Tables are drawn by Rich, which is imported when one is drawn.
"""

import sys

import click

from node.commands import run_to_exit_code
from node.commands_config import config
from node.commands_diff import diff
from node.commands_explain import explain, worker
from node.commands_log import log
from node.commands_network import health, leaderboard, peers, status, version
from node.commands_proof import certificate, verify
from node.commands_simulate import simulate
from node.commands_submit import submit
from node.commands_sync import sync
from node.commands_tasks import cancel, task, tasks
from node.demo import demo


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 69 no node, 75 not in time, 77 refused, "
    "130 Ctrl-C.",
)
def cli() -> None:
    """Ask a peer-to-peer market for AI inference, through a node on this machine.

    The node is found by --id or --rpc, by AIMARKET_RPC_URL (with AIMARKET_TOKEN_FILE) or
    AIMARKET_ID, or is the only one that runs. AIMARKET_HOME says where nodes keep their state.
    """


COMMANDS = (
    *(submit, task, tasks, cancel, leaderboard, peers, status, sync, health),
    *(explain, worker, diff, certificate, verify, log),
    *(config, demo, simulate, version),
)
for command in COMMANDS:
    cli.add_command(command)


def main(args: list[str] | None = None) -> int:
    """Run `aimarket` and return its exit code."""
    return run_to_exit_code(cli, args)


if __name__ == "__main__":
    sys.exit(main())

"""`aimarket-bootstrap`: runs a light node, which others join by and which runs no models.

It is a whole node but for its work: it keeps the log, relays gossip, answers who is here and what a
newcomer lacks. Nothing of what runs models is imported, so none of it needs to be installed.
"""

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from node.main import OneLine, main, run
from node.operate import Place, at_a_place

if TYPE_CHECKING:
    from node.logs import LogFormat

DEFAULT_ID = "bootstrap"
# What a node that runs nothing cannot choose.
LEFT_OUT = ("task_types", "models", "seats")
HELP = """Run a light node: others join by it, and it runs no models.

    It keeps the log of its network, relays what is said there, and tells newcomers who is here and
    what they lack. Print an invite to it with `aimarket invite --id bootstrap`. In a network that
    lists its members it need not be one: then it says nothing itself.

    It takes the options, variables and file of `aimarket-node`, whose commands look after it, too:
    aimarket-node verify --id bootstrap.
    """


class LightProgram(OneLine, click.Command):
    """The program; every failure is one line."""

    called = "aimarket-bootstrap"


@at_a_place
def run_light(place: Place, log_level: str, log_format: "LogFormat", **chosen: Any) -> None:
    """Run a node that runs nothing."""
    from node.config import make_config

    config = make_config(place, task_types=(), models=(), seats=1, **chosen)
    run(replace(config, task_types=()), log_level, log_format)


def _options() -> list[click.Parameter]:
    """Return the options of `aimarket-node` that have a meaning here."""
    options = [copy.copy(one) for one in main.params if one.name not in LEFT_OUT]
    for option in options:
        if option.name == "node_id" and isinstance(option, click.Option):
            option.default = DEFAULT_ID
            option.help = (option.help or "").partition("  [")[0] + f"  [default: {DEFAULT_ID}]"
    return options


bootstrap = LightProgram(
    "aimarket-bootstrap",
    params=_options(),
    callback=run_light,
    help=HELP,
    context_settings={"max_content_width": 100},
)

if __name__ == "__main__":
    bootstrap()

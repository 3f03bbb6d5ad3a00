"""Commands by name, each loaded when it is asked for, so that help and mistakes answer at once."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyCommands(click.Group):
    """A group that knows only where its commands are."""

    def __init__(self, *args: Any, places: Mapping[str, str], **rest: Any) -> None:
        """Take the places, `module:attribute` by name, in the order in which help shows them."""
        super().__init__(*args, **rest)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which help shows them."""
        del ctx
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None if there is none of that name."""
        del ctx
        place = self._places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute or cmd_name)
        return command

"""A group of commands whose modules are imported when they are used, not when they are listed."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class Lazy(NamedTuple):
    """A command: the module whose `command` returns it, and its line in the help of its group."""

    module: str
    summary: str


class LazyGroup(click.Group):
    """Knows its commands by name, in the order in which its help lists them."""

    def __init__(self, name: str, commands: Mapping[str, Lazy], **options: Any) -> None:
        """Make it with `commands`; `options` are those of `click.Group`."""
        super().__init__(name, **options)
        self._lazy = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of this name."""
        found = self._lazy.get(cmd_name)
        if found is None:
            return None
        command: click.Command = import_module(found.module).command()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.summary) for name, each in self._lazy.items()])

"""The command `taskqueue` itself, which says where a misplaced option belongs."""

import difflib
from typing import Any

import click

from taskqueue.cli.lazy import LazyGroup

_AFTER = frozenset({"--url", "--token", "--retry-s", "--json"})
"""What the commands that call a service take."""

_WITH_SETTINGS = frozenset({"backup", "bench", "check", "doctor", "migrate", "tokens", "verify"})
"""The commands that read the settings of the service; `run` has their flags itself."""


class Root(LazyGroup):
    """The flags of the service come before a command, the options of a call after it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what comes before the command.

        Raises:
            UsageError: an option of the commands is there.
        """
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name
            if name not in _AFTER:
                raise
            message = f"{name} belongs after the command: taskqueue tasks list {name} …"
            raise click.UsageError(message, ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            UsageError: a flag of the service comes after a command that uses its settings.
        """
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            name = error.option_name
            if ctx.invoked_subcommand not in _WITH_SETTINGS or not self._is_flag(name):
                raise
            belongs = f"taskqueue {name} … {ctx.invoked_subcommand}"
            message = f"{name} belongs before the command: {belongs}"
            raise click.UsageError(message, error.ctx) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        Raises:
            UsageError: there is none of this name; those with similar names are listed.
        """
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not name.startswith("-") and not ctx.resilient_parsing:
            close = difflib.get_close_matches(name, names)
            meant = f" Did you mean {' or '.join(close)}?" if close else ""
            ctx.fail(f"No such command {name!r}.{meant}")
        return super().resolve_command(ctx, args)

    def _is_flag(self, name: str) -> bool:
        return any(name in (*each.opts, *each.secondary_opts) for each in self.params)

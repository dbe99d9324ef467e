"""`taskqueue consumers`: show and change how many shared consumers there are."""

from typing import Any

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Integer
from taskqueue.rules.sizes import ConsumersSize

_HELP = """Show how many shared consumers there are meant to be, or change it.

COUNT, 0 to 1024, holds from now on and over restarts of the service, whatever is configured.
`configured` goes back to the number in the settings. Consumers that are removed finish their
running tasks."""


class Count(click.ParamType[int | None]):
    """A number of consumers; None for the configured one."""

    name = "count"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Return the number."""
        if value == "configured":
            return None
        return Integer(0, 1024).convert(value, param, ctx)


def command() -> click.Command:
    """Return the command."""
    count = click.Argument(["counts"], type=Count(), nargs=-1, metavar="[COUNT|configured]")
    return ServiceCommand("consumers", _consumers, params=[count], help=_HELP)


def _consumers(connection: Connection, *, as_json: bool, counts: tuple[int | None, ...]) -> None:
    if len(counts) > 1:
        raise click.UsageError("expected one number at most")
    with connection.client() as client:
        size = client.set_consumers(counts[0]) if counts else client.consumers()
    if as_json:
        return output.print_json(size)
    return click.echo(sentence(size))


def sentence(size: ConsumersSize) -> str:
    """Return the number, and why it holds."""
    if size.is_changed:
        return f"{size.count}, changed at run time; {size.configured} configured"
    return f"{size.count}, as configured"

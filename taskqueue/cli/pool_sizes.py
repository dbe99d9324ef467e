"""`taskqueue queues consumers`: show and change the consumers that serve a queue."""

from typing import Any, Literal, TypeAlias

import click
from msgspec import UNSET

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Integer
from taskqueue.rules.sizes import MAX_CONSUMERS, MAX_SLOTS, PoolSize, Wanted

_HELP = """Show how many consumers serve a queue, and how many handlers each runs at once; or
change that.

What is set holds from now on and over restarts of the service, whatever is configured. No handler
is interrupted by fewer slots, and consumers that are removed finish their running tasks. Queues
without consumers of their own share theirs."""

Given: TypeAlias = int | Literal["configured"]


class NumberOrConfigured(click.ParamType[Given]):
    """A whole number, or the configured one."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        self._range = Integer(least, most)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Given:
        """Return the number."""
        if value == "configured":
            return "configured"
        return self._range.convert(value, param, ctx)


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "consumers",
        _consumers,
        params=[
            click.Argument(["queue"], metavar="QUEUE"),
            click.Option(
                ["--count"],
                type=NumberOrConfigured(0, MAX_CONSUMERS),
                metavar="N|configured",
                help="How many consumers there are.",
            ),
            click.Option(
                ["--slots"],
                type=NumberOrConfigured(1, MAX_SLOTS),
                metavar="N|configured",
                help="How many handlers each of them runs at once.",
            ),
        ],
        help=_HELP,
    )


def _consumers(
    connection: Connection,
    *,
    as_json: bool,
    queue: str,
    count: Given | None,
    slots: Given | None,
) -> None:
    with connection.client() as client:
        this = client.queue(queue)
        if count is None and slots is None:
            size = this.consumers()
        else:
            size = this.resize(count=_wanted(count), slots=_wanted(slots))
    if as_json:
        return output.print_json(size)
    return click.echo(sentence(size))


def _wanted(given: Given | None) -> Wanted:
    if given is None:
        return UNSET
    return None if given == "configured" else given


def sentence(size: PoolSize) -> str:
    """Return the size of a pool, why it holds, and what it is for."""
    holds = _text(size.count, size.slots)
    if size.is_changed:
        configured = _text(size.configured.count, size.configured.slots)
        holds += f", changed at run time; {configured} configured"
    else:
        holds += ", as configured"
    if len(size.queues) > 1:
        holds += f"; shared by {', '.join(size.queues)}"
    return holds


def _text(count: int, slots: int) -> str:
    return f"{count} of {slots} slots"

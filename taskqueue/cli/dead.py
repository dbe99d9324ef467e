"""`taskqueue dead`: find, group, redrive and delete dead tasks."""

import time
from typing import Any

import click

from taskqueue.cli import changes, output, parameters
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Integer
from taskqueue.cli.tasks import found, list_command
from taskqueue.client.verbs import Filters
from taskqueue.rules.tasks import Status

_DEAD = Filters(status=Status.DEAD)
_LIMIT = 100


def command() -> click.Command:
    """Return the command."""
    filters = parameters.filters(with_status=False)
    return click.Group(
        "dead",
        help="Find, group, redrive and delete dead tasks.",
        commands=[
            list_command(_list, "List dead tasks and their last errors, newest first.", filters),
            ServiceCommand(
                "groups",
                _groups,
                params=[
                    click.Option(["--action"], metavar="NAME"),
                    click.Option(["--queue"], metavar="NAME"),
                    click.Option(
                        ["--limit"],
                        type=Integer(1, 1_000),
                        default=_LIMIT,
                        show_default=True,
                        help="Maximum number of groups.",
                    ),
                ],
                help="Count dead tasks by action and error, the largest group first. With both as "
                "--action and --error, the other commands mean that group.",
            ),
            *changes.commands(filters, only=_DEAD, of_dead=True),
        ],
    )


def _list(connection: Connection, *, as_json: bool, limit: int, sort: str, **given: Any) -> None:
    filters = Filters(**parameters.chosen(given), **_DEAD)
    tasks = found(connection, filters, limit=limit, sort=sort)
    if as_json:
        return output.print_json(tasks)
    now = time.time()
    return output.print_table(
        ("id", "action", "died", "reason"),
        [
            (
                task.id,
                task.action,
                output.age(now - (task.processed_at or now)),
                task.reason or "",
            )
            for task in tasks
        ],
        flexible=("action", "reason"),
    )


def _groups(
    connection: Connection, *, as_json: bool, action: str | None, queue: str | None, limit: int
) -> None:
    with connection.client() as client:
        groups = client.dead_groups(action=action, queue=queue, limit=limit)
    if as_json:
        return output.print_json(groups)
    now = time.time()
    return output.print_table(
        ("tasks", "action", "latest", "error"),
        [
            (str(group.tasks), group.action, output.age(now - group.latest_at), group.error)
            for group in groups
        ],
        flexible=("action", "error"),
    )

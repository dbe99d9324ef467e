"""`taskqueue dead`: find, redrive and delete dead tasks."""

import time
from typing import Any

import click

from taskqueue.cli import changes, output, parameters
from taskqueue.cli.connection import Connection
from taskqueue.cli.tasks import found, list_command
from taskqueue.client.verbs import Filters
from taskqueue.rules.tasks import Status

_DEAD = Filters(status=Status.DEAD)


def command() -> click.Command:
    """Return the command."""
    filters = parameters.filters(with_status=False)
    return click.Group(
        "dead",
        help="Find, redrive and delete dead tasks.",
        commands=[
            list_command(_list, "List dead tasks and their last errors, newest first.", filters),
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

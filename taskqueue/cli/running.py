"""`taskqueue running`: what runs now, and at which line."""

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.client.attempt_views import RunningTask

COLUMNS = ("task", "action", "consumer", "age", "line")
FLEXIBLE = ("action", "consumer", "line")


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "running",
        _running,
        help="List the attempts that run now, oldest first, each with the line of its handler.",
    )


def _running(connection: Connection, *, as_json: bool) -> None:
    with connection.client() as client:
        running = client.running()
    if as_json:
        return output.print_json(running)
    return output.print_table(COLUMNS, [row_of(each) for each in running], flexible=FLEXIBLE)


def row_of(task: RunningTask) -> tuple[str, ...]:
    """Return the cells of a running task, as many as COLUMNS."""
    return (task.task_id, task.action, task.consumer, output.age(task.age_s), _line(task))


def _line(task: RunningTask) -> str:
    line = task.line
    return "-" if line is None else f"{line.file}:{line.number} {line.function}"

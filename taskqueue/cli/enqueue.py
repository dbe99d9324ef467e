"""`taskqueue enqueue`: enqueue a task, and wait for its end if that is wanted."""

from typing import Any

import click

from taskqueue.cli import output, parameters
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Number
from taskqueue.client.task import ClientTask
from taskqueue.client.waiting import result_of

_HELP = """Enqueue a task for ACTION and print its id.

DATA is one JSON object ('-' reads it from standard input), or KEY=VALUE pairs. A value is JSON if
it can be (width=400, tags='["a"]'), else text (url=a.png, zip='"01234"').

With --wait it prints what the handler returned, as JSON, and ends with 1 if the task is dead,
cancelled or still not at its end."""


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "enqueue",
        _enqueue,
        params=[
            click.Argument(["action"]),
            parameters.data(),
            click.Option(["--queue"], metavar="NAME"),
            *parameters.options(),
            *parameters.key_options(),
            *parameters.expiry_options(),
            click.Option(["--group"], metavar="NAME", help="Make it a member of this group."),
            click.Option(
                ["--wait", "wait_s"],
                type=Number(min=0),
                metavar="S",
                help="Wait for its end, for at most S seconds.",
            ),
        ],
        help=_HELP,
    )


def _enqueue(
    connection: Connection,
    *,
    as_json: bool,
    action: str,
    data: tuple[str, ...],
    wait_s: float | None,
    unique_by: tuple[str, ...],
    **options: Any,
) -> None:
    given = parameters.data_of(data)
    with connection.client() as client:
        task = client.enqueue(action, given, unique_by=unique_by or None, **options)
        if wait_s is None:
            _print_receipt(task, as_json=as_json)
            return
        ended = task.wait(wait_s)
    if as_json:
        output.print_json(ended)
    result = result_of(ended)
    if not as_json:
        output.print_json(result)


def _print_receipt(task: ClientTask, *, as_json: bool) -> None:
    if as_json:
        repeat = {} if task.acceptance is None else {"acceptance": task.acceptance}
        return output.print_json({"id": task.id, **repeat})
    click.echo(task.id)
    if task.acceptance is not None:
        click.echo(f"This task held the key; it was {task.acceptance}.", err=True)
    return None

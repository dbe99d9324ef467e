"""`taskqueue tasks stack`: in which calls the handler of a running task is."""

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.client.attempt_views import TaskStack


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "stack",
        _stack,
        params=[click.Argument(["task_id"], metavar="ID")],
        help="Print the call stack of the handler of a running task, innermost call last.",
    )


def _stack(connection: Connection, *, as_json: bool, task_id: str) -> None:
    with connection.client() as client:
        stack = client.task(task_id).stack()
    if as_json:
        return output.print_json(stack)
    return _print(stack)


def _print(stack: TaskStack) -> None:
    where = f"{stack.consumer}, executor {stack.executor}"
    click.echo(f"attempt {stack.attempt}  runs for {output.age(stack.age_s)}  {where}")
    if stack.truncated:
        click.echo("  …")
    for call in stack.stack:
        text = f'File "{call.file}", line {call.number}, in {call.function}'
        click.echo(f"  {output.plain(text)}")
    if not stack.stack:
        click.echo("  not available: the process of the handler does not respond")

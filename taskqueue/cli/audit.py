"""`taskqueue audit`: who has changed what."""

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Integer
from taskqueue.client.audit_views import Change

MOST = 1_000

_COLUMNS = ("when", "who", "from", "what", "answer")


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "audit",
        _audit,
        params=[
            click.Option(["--task"], metavar="ID", help="Only changes that name this task."),
            click.Option(["--limit"], type=Integer(1, MOST), default=100, show_default=True),
        ],
        help="List the latest changes of the service's state, newest first: who changed what, "
        "and from where. Needs the role admin.",
    )


def _audit(connection: Connection, *, as_json: bool, task: str | None, limit: int) -> None:
    with connection.client() as client:
        changes = client.audit(limit=limit, task=task)
    if as_json:
        return output.print_json(changes)
    return output.print_table(_COLUMNS, [_row(each) for each in changes], flexible=("what",))


def _row(change: Change) -> tuple[str, ...]:
    what = " ".join(filter(None, (change.method, change.path, change.body)))
    return (output.instant(change.at), change.who, change.remote, what, str(change.status))

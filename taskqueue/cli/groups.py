"""`taskqueue groups`: list, show, await and change groups of tasks."""

import time
from itertools import islice

import click

from taskqueue.cli import exits, output, parameters
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Integer, Number
from taskqueue.client.views import GroupInfo
from taskqueue.rules.tasks import Status

_LIMIT = 100
_COLUMNS = ("group", "state", "done", "total", "dead", "cancelled", "age")


def command() -> click.Command:
    """Return the command."""
    name = click.Argument(["name"], metavar="GROUP")
    timeout_s = click.Option(["--timeout-s"], type=Number(min=0), metavar="S")
    limit = click.Option(
        ["--limit"],
        type=Integer(min=1),
        default=_LIMIT,
        show_default=True,
        help="Maximum number of groups.",
    )
    ended = click.Option(
        ["--ended/--not-ended"], default=None, help="Only groups that have ended, or only others."
    )
    then = click.Option(["--then"], metavar="ACTION", help="Enqueue this when all have ended.")
    return click.Group(
        "groups",
        help="List, show, await and change groups of tasks.",
        commands=[
            ServiceCommand("list", _list, params=[ended, limit], help="List groups, newest first."),
            ServiceCommand(
                "show",
                _show,
                params=[name],
                help="Show a group with its number of tasks by status.",
            ),
            ServiceCommand(
                "wait",
                _wait,
                params=[name, timeout_s],
                help="Wait until a group is closed and all of its tasks have ended. Ends "
                "with 1 if some are dead or cancelled, or if it has not ended after S seconds.",
            ),
            ServiceCommand(
                "close",
                _close,
                params=[name, then, parameters.data()],
                help="Close a group: it accepts no more tasks, and ends with its last one. DATA, "
                "given as for `enqueue`, is for the action that follows.",
            ),
            ServiceCommand(
                "cancel",
                _cancel,
                params=[name, click.Option(["--reason"], help="Shown with the tasks.")],
                help="Cancel all tasks of a group that have not ended.",
            ),
            ServiceCommand(
                "redrive", _redrive, params=[name], help="Queue all dead tasks of a group again."
            ),
        ],
    )


def _list(connection: Connection, *, as_json: bool, limit: int, ended: bool | None) -> None:
    with connection.client() as client:
        groups = list(islice(client.groups(ended=ended), limit))
    if as_json:
        return output.print_json(groups)
    now = time.time()
    rows = [_row_of(group, now) for group in groups]
    return output.print_table(_COLUMNS, rows, flexible=("group",))


def _row_of(group: GroupInfo, now: float) -> tuple[str, ...]:
    return (
        group.name,
        _state_of(group),
        f"{group.progress:.0%}",
        str(group.total),
        str(group.tasks[Status.DEAD]),
        str(group.tasks[Status.CANCELLED]),
        output.age(now - group.created_at),
    )


def _state_of(group: GroupInfo) -> str:
    return "ended" if group.ended else "closed" if group.closed else "open"


def _show(connection: Connection, *, as_json: bool, name: str) -> None:
    with connection.client() as client:
        group = client.group(name).status()
    if as_json:
        return output.print_json(group)
    return _print_group(group)


def _print_group(group: GroupInfo) -> None:
    then = group.then
    output.print_fields(
        {
            "group": group.name,
            "state": _state_of(group),
            "progress": f"{group.progress:.1%} of {group.total}",
            **{str(status): number for status, number in group.tasks.items() if number},
            "created": output.instant(group.created_at),
            "closed": output.instant(group.closed_at) if group.closed else None,
            "ended": output.instant(group.ended_at) if group.ended else None,
            "then": None if then is None else f"{then.action}  {then.task_id or ''}".rstrip(),
        }
    )


def _wait(connection: Connection, *, as_json: bool, name: str, timeout_s: float | None) -> None:
    with connection.client() as client:
        group = client.group(name).wait(timeout_s)
    if as_json:
        output.print_json(group)
    else:
        _print_group(group)
    if group.tasks[Status.DEAD] or group.tasks[Status.CANCELLED]:
        exits.end(exits.FAILED, "some of its tasks are dead or cancelled")


def _close(
    connection: Connection, *, as_json: bool, name: str, then: str | None, data: tuple[str, ...]
) -> None:
    given = parameters.data_of(data)
    if given is not None and then is None:
        exits.end(exits.MISUSED, "DATA is for the action that follows: give --then ACTION")
    with connection.client() as client:
        group = client.group(name).close(then=None if then is None else (then, given or {}))
    if as_json:
        output.print_json(group)
    else:
        click.echo(f"closed {output.plain(name)}")


def _cancel(connection: Connection, *, as_json: bool, name: str, reason: str | None) -> None:
    with connection.client() as client:
        done = client.group(name).cancel(reason)
    _tell("cancelled", done, as_json=as_json)


def _redrive(connection: Connection, *, as_json: bool, name: str) -> None:
    with connection.client() as client:
        done = client.group(name).redrive()
    _tell("redriven", done, as_json=as_json)


def _tell(what: str, done: int, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"done": done})
    else:
        click.echo(f"{what} {'1 task' if done == 1 else f'{done} tasks'}")

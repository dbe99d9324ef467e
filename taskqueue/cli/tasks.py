"""`taskqueue tasks`: find, count, show, await and change tasks."""

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

import click

from taskqueue.cli import changes, exits, output, parameters, stack
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Integer, Number
from taskqueue.client.attempt_views import AttemptLog
from taskqueue.client.verbs import Filters
from taskqueue.client.views import TaskInfo
from taskqueue.client.waiting import result_of
from taskqueue.rules.forecast import NextAttempt
from taskqueue.rules.uniqueness import Until
from taskqueue.rules.waiting import duration

_LIMIT = 100


def command() -> click.Command:
    """Return the command."""
    return click.Group(
        "tasks",
        help="Find, count, show, await and change tasks.",
        commands=[
            list_command(_list, "List tasks, newest first.", parameters.filters()),
            ServiceCommand(
                "count",
                _count,
                params=parameters.filters(),
                help="Count tasks by status: all, or those that match.",
            ),
            ServiceCommand(
                "show",
                _show,
                params=[click.Argument(["task_id"], metavar="ID")],
                help="Show a task with its attempts, and why it is not running.",
            ),
            ServiceCommand(
                "logs",
                _logs,
                params=[click.Argument(["task_id"], metavar="ID")],
                help="Print what the attempts at a task have logged, oldest first.",
            ),
            stack.command(),
            ServiceCommand(
                "wait",
                _wait,
                params=[
                    click.Argument(["task_id"], metavar="ID"),
                    click.Option(["--timeout-s"], type=Number(min=0), metavar="S"),
                ],
                help="Wait until a task has ended and print its result, as JSON. Ends with 1 if it "
                "is dead or cancelled, or has not ended after S seconds.",
            ),
            ServiceCommand(
                "edit",
                _edit,
                params=[
                    click.Argument(["task_id"], metavar="ID"),
                    parameters.data(),
                    *parameters.options(),
                ],
                help="Change a task that no consumer holds. DATA, given as for `enqueue`, replaces "
                "all of its data.",
            ),
            *changes.commands(parameters.filters(), only={}),
        ],
    )


def list_command(
    callback: Any, help_text: str, filters: Iterable[click.Parameter]
) -> ServiceCommand:
    """Return a command that lists tasks which match filters."""
    return ServiceCommand(
        "list",
        callback,
        params=[
            *filters,
            click.Option(
                ["--limit"],
                type=Integer(min=1),
                default=_LIMIT,
                show_default=True,
                help="Maximum number of tasks.",
            ),
            click.Option(["--sort"], type=click.Choice(["newest", "oldest"]), default="newest"),
        ],
        help=help_text,
    )


def found(connection: Connection, filters: Filters, *, limit: int, sort: Any) -> list[TaskInfo]:
    """Return the tasks that match, and say on a terminal that there may be more."""
    with connection.client() as client:
        tasks = list(islice(client.tasks(sort=sort, **filters), limit))
    if len(tasks) == limit and output.is_terminal():
        click.echo(f"The first {limit} are shown; --limit shows more.", err=True)
    return tasks


def _list(connection: Connection, *, as_json: bool, limit: int, sort: str, **filters: Any) -> None:
    tasks = found(connection, parameters.chosen(filters), limit=limit, sort=sort)
    if as_json:
        return output.print_json(tasks)
    now = time.time()
    return output.print_table(
        ("id", "status", "action", "queue", "tries", "age"),
        [
            (
                task.id,
                task.status,
                task.action,
                task.queue,
                f"{task.attempt}/{task.max_attempts}",
                output.age(now - task.created_at),
            )
            for task in tasks
        ],
        flexible=("action", "queue"),
    )


def _count(connection: Connection, *, as_json: bool, **filters: Any) -> None:
    with connection.client() as client:
        counts = client.count_tasks(**parameters.chosen(filters))
    if as_json:
        return output.print_json(counts)
    return output.print_table(
        ("status", "tasks"),
        [
            (status, f"more than {tasks}" if status in counts.more_than else str(tasks))
            for status, tasks in counts.tasks.items()
        ],
        flexible=(),
    )


def _show(connection: Connection, *, as_json: bool, task_id: str) -> None:
    with connection.client() as client:
        task = client.task(task_id).info()
    if as_json:
        return output.print_json(task)
    return _print_task(task)


def _key_of(task: TaskInfo) -> str | None:
    if task.key is None:
        return task.unique_key
    state = "free again" if task.key.is_free else f"held until {_until(task.key.until)}"
    return f"{task.unique_key} ({task.key.scope}; {state})"


def _until(until: Until) -> str:
    return until if isinstance(until, str) else f"{duration(until)} after its enqueue"


def _print_task(task: TaskInfo) -> None:
    output.print_fields(
        {
            "id": task.id,
            "status": task.status,
            "waiting for": task.waiting_for,
            "action": task.action,
            "data": output.json_text(task.data),
            "queue": task.queue,
            "priority": task.priority,
            "attempts": f"{task.attempt} of {task.max_attempts}",
            "flow": task.flow,
            "unique key": _key_of(task),
            "group": task.group,
            "parent": task.parent,
            "schedule": task.schedule,
            "trace": task.traceparent,
            "created": output.instant(task.created_at),
            "due": output.instant(task.run_at),
            "expires": output.instant(task.expires_at) if task.expires_at else None,
            "started": output.instant(task.started_at) if task.started_at else None,
            "ended": output.instant(task.processed_at) if task.has_ended else None,
            "progress": None if task.progress is None else output.json_text(task.progress),
            "result": None if task.result is None else output.json_text(task.result),
            "reason": task.reason,
            "cancel reason": task.cancel_reason,
        }
    )
    for each in task.attempts:
        outcome = f"attempt {each.attempt}  {output.instant(each.ended_at)}  {each.outcome}"
        click.echo(output.plain(f"{outcome}  {each.error}" if each.error else outcome))
    for following in task.next_attempts:
        click.echo(f"attempt {following.attempt}  {_due(following)}")


def _due(attempt: NextAttempt) -> str:
    if attempt.earliest_at == attempt.latest_at:
        return f"due {output.instant(attempt.earliest_at)}"
    earliest, latest = output.instant(attempt.earliest_at), output.instant(attempt.latest_at)
    return f"due {earliest} to {latest}, if the one before fails at once"


def _logs(connection: Connection, *, as_json: bool, task_id: str) -> None:
    with connection.client() as client:
        logs = list(islice(client.task(task_id).logs(), _LIMIT))[::-1]
    if as_json:
        return output.print_json(logs)
    return _print_logs(logs)


def _print_logs(logs: Iterable[AttemptLog]) -> None:
    for each in logs:
        click.echo(f"attempt {each.attempt}  {_end_of(each)}")
        if each.dropped:
            click.echo(f"  {each.dropped} earlier lines were dropped")
        for line in each.lines:
            first, *more = line.message.splitlines() or [""]
            level = output.plain(line.level).ljust(8)
            click.echo(f"  {output.instant(line.at)}  {level} {output.plain(first)}")
            for text in more:
                click.echo(f"    {output.plain(text)}")


def _end_of(log: AttemptLog) -> str:
    if log.outcome is None:
        return "running"
    return f"{output.instant(log.ended_at)}  {log.outcome}"


def _wait(connection: Connection, *, as_json: bool, task_id: str, timeout_s: float | None) -> None:
    with connection.client() as client:
        task = client.task(task_id).wait(timeout_s)
    if as_json:
        output.print_json(task)
    result = result_of(task)
    if not as_json:
        output.print_json(result)


def _edit(
    connection: Connection, *, as_json: bool, task_id: str, data: tuple[str, ...], **options: Any
) -> None:
    given = parameters.data_of(data)
    if given is None and all(value is None for value in options.values()):
        exits.end(exits.MISUSED, "nothing to change: give DATA, --priority, --delay-s, …")
    with connection.client() as client:
        task = client.task(task_id).edit(given, **options)
    if as_json:
        output.print_json(task)
    else:
        click.echo(f"edited {task.id}")

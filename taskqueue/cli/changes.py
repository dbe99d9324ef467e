"""Cancel, redrive, delete, run now: tasks by ids, or all that match, which are counted first."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import click

from taskqueue.cli import exits, output, parameters
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.client import calls
from taskqueue.client.routes import Route
from taskqueue.client.task import ClientTask
from taskqueue.client.verbs import Filters
from taskqueue.errors import TaskQueueError


class _Verb(NamedTuple):
    name: str
    done: str
    which: str
    change: Callable[[ClientTask, str | None], str | None]


_CANCEL = _Verb("cancel", "cancelled", "that have not ended", ClientTask.cancel)
_REDRIVE = _Verb("redrive", "redriven", "that are dead", lambda task, _: task.redrive())
_DELETE = _Verb("delete", "deleted", "that have ended", lambda task, _: task.delete())
_RUN_NOW = _Verb(
    "run-now", "made due", "that are scheduled or retrying", lambda task, _: task.run_now()
)


def commands(
    filters: Sequence[click.Parameter], *, only: Filters, of_dead: bool = False
) -> list[click.Command]:
    """Return the commands that change tasks.

    Args:
        filters: the options that choose tasks.
        only: filters that always hold.
        of_dead: only those that dead tasks can be changed by.
    """
    verbs = (_REDRIVE, _DELETE) if of_dead else (_CANCEL, _REDRIVE, _DELETE, _RUN_NOW)
    return [_command(verb, filters, only) for verb in verbs]


def _command(verb: _Verb, filters: Sequence[click.Parameter], only: Filters) -> click.Command:
    reason = click.Option(["--reason"], help="Shown with the tasks.")
    return ServiceCommand(
        verb.name,
        partial(_change, verb, only),
        params=[
            parameters.task_ids(required=False),
            *filters,
            click.Option(["--all", "all_"], is_flag=True, help="All, without a filter."),
            click.Option(["--yes", "-y"], is_flag=True, help="Do not ask."),
            *([reason] if verb is _CANCEL else []),
        ],
        help=f"{_title(verb)} tasks {verb.which}: those with these ids, or all that "
        "match the filters. The latter are counted, and you are asked first.",
    )


def _change(
    verb: _Verb,
    only: Filters,
    connection: Connection,
    *,
    as_json: bool,
    task_ids: tuple[str, ...],
    all_: bool,
    yes: bool,
    reason: str | None = None,
    **given: Any,
) -> None:
    filters = parameters.chosen(given)
    if sum(map(bool, (task_ids, filters, all_))) != 1:
        exits.end(exits.MISUSED, "say which tasks: give ids, filters, or --all")
    if task_ids:
        _change_each(verb, connection, task_ids, reason, as_json=as_json)
    else:
        matching = Filters(**filters, **only)
        _change_all(verb, connection, matching, reason, is_sure=yes, as_json=as_json)


def _change_each(
    verb: _Verb,
    connection: Connection,
    task_ids: Sequence[str],
    reason: str | None,
    *,
    as_json: bool,
) -> None:
    code = exits.OK
    done: dict[str, str] = {}
    with connection.client() as client:
        for task_id in task_ids:
            try:
                done[task_id] = verb.change(client.task(task_id), reason) or verb.done
            except TaskQueueError as error:
                code = exits.code_of(error)
                exits.complain(f"{task_id}: {exits.line_of(error)}")
                if code == exits.UNREACHABLE:
                    break
    if as_json:
        output.print_json(done)
    else:
        for task_id, status in done.items():
            click.echo(f"{task_id}  {status}")
    sys.exit(code)


def _change_all(
    verb: _Verb,
    connection: Connection,
    filters: Filters,
    reason: str | None,
    *,
    is_sure: bool,
    as_json: bool,
) -> None:
    route = connection.route()
    try:
        matched = _count(route, verb, filters)
        if matched and not is_sure:
            _ask(verb, matched)
        done = _run(route, verb, filters, reason, matched) if matched else 0
    finally:
        route.close()
    if as_json:
        output.print_json({"matched": matched, "done": done})
    else:
        click.echo(f"{verb.done} {done} of {_tasks(matched)}")


def _count(route: Route, verb: _Verb, filters: Filters) -> int:
    matched, cursor = 0, None
    while True:
        part = route.do(calls.change_all(verb.name, filters, dry_run=True, cursor=cursor))
        matched, cursor = matched + part.matched, part.next
        if cursor is None:
            return matched


def _ask(verb: _Verb, matched: int) -> None:
    question = f"{_title(verb)} {_tasks(matched)}?"
    if not sys.stdin.isatty():
        exits.end(exits.MISUSED, f"{question} Nothing was changed; --yes does it without asking")
    click.confirm(question, abort=True, err=True)


def _run(route: Route, verb: _Verb, filters: Filters, reason: str | None, matched: int) -> int:
    seen, done, cursor = 0, 0, None
    with output.progress_bar(verb.name) as on_progress:
        while True:
            part = route.do(
                calls.change_all(verb.name, filters, dry_run=False, cursor=cursor, reason=reason)
            )
            seen, done, cursor = seen + part.matched, done + part.done, part.next
            on_progress(min(seen, matched), matched)
            if cursor is None:
                return done


def _title(verb: _Verb) -> str:
    return verb.name.capitalize().replace("-", " ")


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"

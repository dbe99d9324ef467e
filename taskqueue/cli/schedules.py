"""`taskqueue schedules`: list, show, create, edit, pause, resume, run and delete schedules."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from taskqueue.cli import output, parameters
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.client.schedules.views import ScheduleInfo
from taskqueue.client.sync import Client
from taskqueue.rules.schedules.words import Missed, Overlap, Slot
from taskqueue.settings.kinds import Duration

COLUMNS = ("name", "action", "when", "state", "next", "last")


class _Span(click.ParamType[float]):
    """A time span in seconds, or as 5m or 1h30m."""

    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        try:
            return float(str(Duration().read(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def command() -> click.Command:
    """Return the command."""
    name = click.Argument(["name"])
    names = click.Argument(["names"], nargs=-1, required=True, metavar="NAME...")
    reason = click.Option(["--reason"], help="Shown with the schedule.")
    return click.Group(
        "schedules",
        help="List, show, create, edit, pause, resume, run and delete schedules.",
        commands=[
            ServiceCommand("list", _list, help="List the schedules, and what they did last."),
            ServiceCommand(
                "show",
                _show,
                params=[name],
                help="Show a schedule: its next slots, and the outcomes of the latest ones.",
            ),
            ServiceCommand(
                "create",
                _create,
                params=[
                    click.Argument(["action"]),
                    parameters.data(),
                    click.Option(["--name"], help="Default: the action."),
                    *_fields(),
                ],
                help="Create a schedule for an action that the app marks as schedulable. `{slot}` "
                "in DATA becomes the instant of the slot.",
            ),
            ServiceCommand(
                "edit",
                _edit,
                params=[name, parameters.data(), click.Option(["--action"]), *_fields()],
                help="Change parts of a schedule. DATA replaces all of its data.",
            ),
            ServiceCommand(
                "pause",
                _pause,
                params=[names, reason],
                help="Pause schedules until they are resumed, also over restarts.",
            ),
            ServiceCommand(
                "resume",
                _resume,
                params=[names],
                help="Run the slots of these schedules from now on.",
            ),
            ServiceCommand(
                "run", _run, params=[name], help="Run a schedule once, now; print its task."
            ),
            ServiceCommand(
                "delete", _delete, params=[names], help="Delete schedules. Their tasks stay."
            ),
        ],
    )


def _fields() -> list[click.Parameter]:
    return [
        click.Option(["--cron"], metavar="EXPRESSION", help="Five fields, or seconds and five."),
        click.Option(["--every"], type=_Span(), metavar="SPAN", help="Such as 5m or 1h30m."),
        click.Option(["--timezone"], metavar="NAME", help="Such as Europe/Berlin."),
        click.Option(
            ["--missed"], type=click.Choice(_words(Missed)), help="Which missed slots run."
        ),
        click.Option(
            ["--within"],
            type=_Span(),
            metavar="SPAN",
            help="Slots that are later than this do not run.",
        ),
        click.Option(
            ["--overlap"],
            type=click.Choice(_words(Overlap)),
            help="What to do beside an earlier run.",
        ),
    ]


def _words(choices: type[Missed | Overlap]) -> list[str]:
    return [each.value for each in choices]


def _list(connection: Connection, *, as_json: bool) -> None:
    with connection.client() as client:
        schedules = client.schedules.list()
    if as_json:
        return output.print_json(schedules)
    rows = [_row(schedule) for schedule in schedules]
    return output.print_table(COLUMNS, rows, flexible=("name", "action", "when", "last"))


def _row(schedule: ScheduleInfo) -> tuple[str, ...]:
    return (
        schedule.name,
        schedule.action,
        schedule.when,
        "paused" if schedule.paused else "active",
        output.instant(schedule.next_at),
        _last(schedule),
    )


def _last(schedule: ScheduleInfo) -> str:
    """Return the last decision: `2026-03-29T01:00:00Z skipped: the previous run …`."""
    last = schedule.last
    if last is None:
        return "-"
    reason = f": {last.reason}" if last.reason else ""
    return f"{output.instant(last.slot)} {last.outcome}{reason}"


def _show(connection: Connection, *, as_json: bool, name: str) -> None:
    with connection.client() as client:
        schedule = client.schedules.get(name)
    return output.print_json(schedule) if as_json else _print(schedule)


def _print(schedule: ScheduleInfo) -> None:
    output.print_fields(
        {
            "name": schedule.name,
            "action": schedule.action,
            "data": output.json_text(schedule.data),
            "when": schedule.when,
            "cron": schedule.cron,
            "paused": schedule.paused_because,
            "missed": schedule.missed,
            "within": None if schedule.within_s is None else f"{schedule.within_s:g} s",
            "overlap": schedule.overlap,
            "declared": {"code": "in code", "file": "in the settings file"}.get(schedule.origin),
            "last": _last(schedule),
        }
    )
    for upcoming in schedule.upcoming:
        click.echo(f"next {upcoming.local} {upcoming.timezone}")
    for slot in schedule.slots:
        click.echo(output.plain(f"slot {_told(slot)}"))


def _told(slot: Slot) -> str:
    words = [output.instant(slot.at), slot.outcome]
    words += ["by hand"] * slot.run_now
    words += [f"task {slot.task_id} {slot.status or 'deleted'}"] * (slot.task_id is not None)
    return "  ".join([*words, *([slot.reason] if slot.reason else [])])


def _create(
    connection: Connection,
    *,
    as_json: bool,
    action: str,
    data: Sequence[str],
    name: str | None,
    **fields: Any,
) -> None:
    with connection.client() as client:
        created = client.schedules.create(action, name=name, **_chosen(data, fields))
    return output.print_json(created) if as_json else _print(created)


def _edit(
    connection: Connection, *, as_json: bool, name: str, data: Sequence[str], **fields: Any
) -> None:
    with connection.client() as client:
        changed = client.schedules.change(name, **_chosen(data, fields))
    return output.print_json(changed) if as_json else _print(changed)


def _chosen(data: Sequence[str], fields: Mapping[str, Any]) -> Any:
    given = {name: value for name, value in fields.items() if value is not None}
    if "within" in given:
        given["within_s"] = given.pop("within")
    found = parameters.data_of(data)
    return given if found is None else {**given, "data": found}


def _pause(
    connection: Connection, *, as_json: bool, names: tuple[str, ...], reason: str | None
) -> None:
    _each(
        connection,
        names,
        lambda client, name: client.schedules.pause(name, reason=reason),
        "paused",
        as_json=as_json,
    )


def _resume(connection: Connection, *, as_json: bool, names: tuple[str, ...]) -> None:
    _each(
        connection,
        names,
        lambda client, name: client.schedules.resume(name),
        "resumed",
        as_json=as_json,
    )


def _delete(connection: Connection, *, as_json: bool, names: tuple[str, ...]) -> None:
    _each(
        connection,
        names,
        lambda client, name: client.schedules.delete(name),
        "deleted",
        as_json=as_json,
    )


def _each(
    connection: Connection,
    names: Sequence[str],
    change: Callable[[Client, str], object],
    done: str,
    *,
    as_json: bool,
) -> None:
    with connection.client() as client:
        for name in names:
            change(client, name)
            if not as_json:
                click.echo(f"{done} {name}")
    if as_json:
        output.print_json([{"name": name, done: True} for name in names])


def _run(connection: Connection, *, as_json: bool, name: str) -> None:
    with connection.client() as client:
        task = client.schedules.run(name)
    return output.print_json({"id": task.id}) if as_json else click.echo(task.id)

"""`taskqueue limits`: list, show, set, reset and take limits."""

import time

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Integer, Number
from taskqueue.client.views import Allowed, LimitInfo, LimitKey

_COLUMNS = ("limit", "running", "waiting", "allows", "changed")
_KEY_COLUMNS = ("key", "running", "waiting", "opens in")


def command() -> click.Command:
    """Return the command."""
    name = click.Argument(["name"], metavar="LIMIT")
    names = click.Argument(["names"], nargs=-1, required=True, metavar="LIMIT...")
    return click.Group(
        "limits",
        help="List, show, set, reset and take limits.",
        commands=[
            ServiceCommand(
                "list", _list, help="List the limits: what each allows, and how much is used."
            ),
            ServiceCommand(
                "show", _show, params=[name], help="Show a limit with the keys that are in use."
            ),
            ServiceCommand(
                "set",
                _set,
                params=[name, *_values()],
                help="Change what a limit allows, until it is reset; a restart keeps the change. "
                "Without --running or --starts, that number is unlimited.",
            ),
            ServiceCommand(
                "reset", _reset, params=[names], help="Go back to the values that the app declares."
            ),
            ServiceCommand(
                "take",
                _take,
                params=[name, *_of_take()],
                help="Take starts for work outside of tasks, and wait until the rate allows it.",
            ),
        ],
    )


def _values() -> list[click.Parameter]:
    above_0 = Number(min=0, min_open=True)
    return [
        click.Option(["--running"], type=Integer(min=1), help="How many may run at once."),
        click.Option(["--starts"], type=above_0, help="How many may start within --per-s."),
        click.Option(["--per-s"], type=above_0, metavar="S", help="1 by default."),
        click.Option(["--burst"], type=Number(min=1), help="At once after a pause; 1 by default."),
    ]


def _of_take() -> list[click.Parameter]:
    above_0 = Number(min=0, min_open=True)
    seconds = Number(min=0)
    return [
        click.Option(["--cost"], type=above_0, default=1.0, show_default=True),
        click.Option(["--key"], help="Under this key of the limit."),
        click.Option(["--timeout-s"], type=seconds, metavar="S", help="The longest wait."),
    ]


def _list(connection: Connection, *, as_json: bool) -> None:
    with connection.client() as client:
        limits = client.limits()
    if as_json:
        return output.print_json(limits)
    return output.print_table(_COLUMNS, [_row(each) for each in limits], flexible=("limit",))


def _row(limit: LimitInfo) -> tuple[str, ...]:
    changed = "-" if limit.changed_at is None else output.instant(limit.changed_at)
    return (
        limit.name,
        str(limit.running),
        _counted(limit.waiting),
        _allows(limit.allows),
        changed,
    )


def _allows(allowed: Allowed) -> str:
    """Return what a limit allows, in a few words."""
    parts = [] if allowed.running is None else [f"{allowed.running} running"]
    if allowed.starts is not None:
        parts.append(f"{allowed.starts:g} per {allowed.per_s:g} s, burst {allowed.burst:g}")
    return "; ".join(parts)


def _counted(waiting: int) -> str:
    return f"{waiting:,} or more" if waiting >= 1_000 else str(waiting)


def _show(connection: Connection, *, as_json: bool, name: str) -> None:
    with connection.client() as client:
        limit = client.limit(name)
        info, keys = limit.info(), list(limit.by_key())
    if as_json:
        return output.print_json({"limit": info, "keys": keys})
    declared = None if info.declared is None else _allows(info.declared)
    changed = None if info.changed_at is None else output.instant(info.changed_at)
    output.print_fields(
        {
            "limit": info.name,
            "allows": _allows(info.allows),
            "declared": declared,
            "changed": changed,
            "running": info.running,
            "waiting": _counted(info.waiting),
        }
    )
    click.echo()
    return output.print_table(_KEY_COLUMNS, [_key_row(each) for each in keys], flexible=("key",))


def _key_row(key: LimitKey) -> tuple[str, ...]:
    opens_in = "-" if key.opens_at is None else f"{max(0.0, key.opens_at - time.time()):.1f}s"
    name = "-" if key.key is None else key.key
    return (name, str(key.running), _counted(key.waiting), opens_in)


def _set(
    connection: Connection,
    *,
    as_json: bool,
    name: str,
    running: int | None,
    starts: float | None,
    per_s: float | None,
    burst: float | None,
) -> None:
    with connection.client() as client:
        limit = client.limit(name)
        info = limit.change(running=running, starts=starts, per_s=per_s, burst=burst)
    if as_json:
        return output.print_json(info)
    return click.echo(f"set {name}: {_allows(info.allows)}")


def _reset(connection: Connection, *, as_json: bool, names: tuple[str, ...]) -> None:
    with connection.client() as client:
        for name in names:
            client.limit(name).reset()
            if not as_json:
                click.echo(f"reset {name}")
    if as_json:
        output.print_json([{"limit": name, "reset": True} for name in names])


def _take(
    connection: Connection,
    *,
    as_json: bool,
    name: str,
    cost: float,
    key: str | None,
    timeout_s: float | None,
) -> None:
    with connection.client() as client:
        client.limit(name).take(cost, key=key, timeout_s=timeout_s)
    if as_json:
        return output.print_json({"limit": name, "key": key, "taken": cost})
    return click.echo(f"took {cost:g} of {name}")

"""What several commands take: data of tasks, their options, and the filters that choose tasks."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import click
import msgspec

from taskqueue.cli.numbers import Integer, Number
from taskqueue.client.verbs import Filters
from taskqueue.rules.tasks import Status
from taskqueue.rules.uniqueness import KeyEnd, OnRepeat, Scope


class Instant(click.ParamType[float]):
    """Seconds since 1970, or ISO 8601 with a time zone."""

    name = "instant"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the instant in seconds since 1970 (UTC)."""
        try:
            return float(value)
        except ValueError:
            pass
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            self.fail(
                f"expected 2027-01-15T08:00:00Z or seconds since 1970, got {value!r}", param, ctx
            )
        return at.timestamp()


class Until(click.ParamType[str | float]):
    """The event after which a key is free, or a number of seconds."""

    name = "until"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | float:
        """Return the event, or the seconds."""
        if value in set(KeyEnd):
            return str(value)
        try:
            return float(value)
        except ValueError:
            self.fail(f"expected {', '.join(KeyEnd)} or seconds, got {value!r}", param, ctx)


def data_of(words: Sequence[str]) -> dict[str, Any] | None:
    """Return the data of a task: a JSON object, `-` for one on standard input, or key=value ….

    A value is JSON if it can be, else text. None if there are no words.

    Raises:
        BadParameter: they are none of that.
    """
    match words:
        case []:
            return None
        case ["-"]:
            return _object(sys.stdin.read())
        case [text] if text.lstrip().startswith("{"):
            return _object(text)
        case _:
            return dict(map(_pair, words))


def _object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise click.BadParameter(f"expected a JSON object: {error}", param_hint="DATA") from error


def _pair(word: str) -> tuple[str, Any]:
    key, separator, value = word.partition("=")
    if not key or not separator:
        expected = f"expected key=value or one JSON object, got {word!r}"
        raise click.BadParameter(expected, param_hint="DATA")
    try:
        return key, msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError):
        return key, value


def data() -> click.Argument:
    """Return the argument for the data of a task."""
    return click.Argument(["data"], nargs=-1, metavar="[DATA as JSON | KEY=VALUE]...")


def options() -> list[click.Parameter]:
    """Return the options that a task can have when it is enqueued and when it is edited."""
    return [
        click.Option(["--priority"], type=Integer(0, 255), help="0 is the most urgent."),
        click.Option(["--max-attempts"], type=Integer(min=1)),
        click.Option(["--delay-s"], type=Number(min=0), metavar="S", help="Not before S seconds."),
        click.Option(["--run-at"], type=Instant(), metavar="INSTANT", help="Not before this."),
    ]


def key_options() -> list[click.Parameter]:
    """Return the options about the unique key of a new task."""
    return [
        click.Option(["--unique-key"], metavar="KEY", help="At most one task holds it."),
        click.Option(
            ["--unique-by"], metavar="FIELD", multiple=True, help="Make the key of this field."
        ),
        click.Option(
            ["--unique-scope"],
            type=click.Choice([each.value for each in Scope]),
            help="Default: global.",
        ),
        click.Option(
            ["--unique-until"],
            type=Until(),
            metavar="EVENT|S",
            help=f"{', '.join(KeyEnd)}, or a number of seconds.",
        ),
        click.Option(
            ["--on-repeat"],
            type=click.Choice([each.value for each in OnRepeat]),
            help="What to do if a task holds the key.",
        ),
        click.Option(
            ["--latest-s"],
            type=Number(min=0, min_open=True),
            metavar="S",
            help="Postpone it by at most S seconds.",
        ),
    ]


def expiry_options() -> list[click.Parameter]:
    """Return the options about the expiry of a new task."""
    return [
        click.Option(
            ["--expires-s"],
            type=Number(min=0, min_open=True),
            metavar="S",
            help="Cancel it if it has not started after S seconds.",
        ),
        click.Option(
            ["--expires-at"], type=Instant(), metavar="INSTANT", help="The same, as an instant."
        ),
    ]


def filters(*, with_status: bool = True) -> list[click.Parameter]:
    """Return the options that choose tasks: those that match all of them."""
    status = click.Option(
        ["--status"],
        type=click.Choice([each.value for each in Status]),
        multiple=True,
        help="May be repeated.",
    )
    return [
        *([status] if with_status else []),
        click.Option(["--action"], metavar="NAME"),
        click.Option(["--queue"], metavar="NAME"),
        *(
            click.Option([f"--{name}"], type=Instant(), metavar="INSTANT")
            for name in ("created-after", "created-before", "ended-after", "ended-before")
        ),
        click.Option(["--min-age-s"], type=Number(min=0), metavar="S"),
        click.Option(["--unique-key"], metavar="KEY"),
        click.Option(["--group"], metavar="NAME", help="Members of this group."),
        click.Option(["--parent"], metavar="ID", help="Enqueued by the handler of this task."),
        click.Option(["--trace"], metavar="ID", help="Part of this trace."),
        click.Option(["--error"], help="The error of dead tasks, as `dead groups` shows it."),
        click.Option(["--text"], help="Contained in the payload or in the last error."),
    ]


def chosen(given: Mapping[str, Any]) -> Filters:
    """Return those of the filters that were given."""
    found = {name: value for name, value in given.items() if value not in {None, ()}}
    if "status" in found:
        found["status"] = list(found["status"])
    return cast("Filters", found)


def task_ids(*, required: bool) -> click.Argument:
    """Return the argument for ids of tasks."""
    return click.Argument(["task_ids"], nargs=-1, metavar="[ID]...", required=required)

"""`taskqueue activity`: what the service did lately, minute by minute."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Integer
from taskqueue.rules.service_activity import MINUTES, Bucket, RecentActivity

_USUAL = 15
_COLUMNS = ("minute", "enqueued", "completed", "failed", "longest wait", "longest run")


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "activity",
        _activity,
        params=[
            click.Option(
                ["--minutes"],
                type=Integer(1, MINUTES),
                default=_USUAL,
                show_default=True,
                metavar="N",
                help="How far to look back.",
            )
        ],
        help="Show what the service did in the last minutes, and which of its parts were "
        "restarted. Minutes in which nothing was done are left out.",
    )


def _activity(connection: Connection, *, as_json: bool, minutes: int) -> None:
    with connection.client() as client:
        activity = client.activity(minutes=minutes)
    if as_json:
        return output.print_json(activity)
    return _print(activity)


def _print(activity: RecentActivity) -> None:
    output.print_table(_COLUMNS, [*_rows(activity.buckets)], flexible=("minute",))
    for restart in activity.restarts:
        part = f"{restart.supervisor}/{restart.child_id}"
        reason = "" if restart.reason is None else f": {restart.reason}"
        click.echo(output.plain(f"{output.instant(restart.at)}  restarted {part}{reason}"))


def _rows(buckets: Sequence[Bucket]) -> Iterator[tuple[str, ...]]:
    for minute, group in groupby(buckets, key=lambda bucket: bucket.at // 60 * 60):
        found = [*group]
        yield (
            output.instant(minute),
            str(sum(each.enqueued for each in found)),
            str(sum(each.completed for each in found)),
            str(sum(each.failed for each in found)),
            _longest([each.wait_s.max for each in found if each.wait_s is not None]),
            _longest([each.run_s.max for each in found if each.run_s is not None]),
        )


def _longest(seconds: Sequence[float]) -> str:
    return f"{max(seconds):.3f}s" if seconds else "-"

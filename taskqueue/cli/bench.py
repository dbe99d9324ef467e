"""`taskqueue bench`: measure the service on this disk."""

import click

from taskqueue.cli.configuration import load_settings
from taskqueue.cli.numbers import Number

_HELP = """Measure the service on this disk, and explain the figures.

It works in a temporary folder beside the database, on the same disk, and never in the database. The
settings are those of the service: its file, its variables, and its flags. Flags other than
--database go before the command (taskqueue --synchronous NORMAL --slots 4 bench)."""


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "bench",
        callback=_bench,
        params=[
            click.Option(
                ["--seconds"],
                type=Number(min=0.5, max=3600),
                default=20.0,
                show_default=True,
                help="Approximate duration.",
            ),
            click.Option(
                ["--database"], metavar="PATH", help="Measure on the disk of this file instead."
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help=_HELP,
    )


def _bench(*, seconds: float, database: str | None, json: bool) -> None:
    settings = load_settings(database=database)
    # Imported late: its help need not wait for the service's libraries.
    from taskqueue.bench.command import bench  # noqa: PLC0415

    click.get_current_context().exit(bench(settings, seconds, as_json=json))

"""`taskqueue verify`: kill a service under load on this disk, and check what it has kept."""

import random

import click

from taskqueue.cli.configuration import load_settings
from taskqueue.cli.numbers import Integer, Number

_HELP = """Kill a service under load on this disk, and check what it has kept.

Real services run in a temporary folder beside the database, never on the database itself. They are
killed with SIGKILL while clients enqueue, cancel and delete. Then everything that the clients were
told is compared with the file. Ends with 1 if a promise was broken, or if the disk does not keep
what it has synced."""


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "verify",
        callback=_verify,
        params=[
            click.Option(
                ["--seconds"],
                type=Number(min=1, max=86_400),
                default=60.0,
                show_default=True,
                help="Duration of the load.",
            ),
            click.Option(
                ["--database"], metavar="PATH", help="Verify on the disk of this file instead."
            ),
            click.Option(
                ["--seed"],
                type=Integer(min=0),
                metavar="N",
                help="Post the same tasks again as a run with this seed.",
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help=_HELP,
    )


def _verify(*, seconds: float, database: str | None, seed: int | None, json: bool) -> None:
    settings = load_settings(database=database)
    drawn = random.randrange(2**32) if seed is None else seed  # noqa: S311 - it is printed
    # Imported late: its help need not wait for the service's libraries.
    from taskqueue.verification.command import verify  # noqa: PLC0415

    click.get_current_context().exit(verify(settings, seconds, drawn, as_json=json))

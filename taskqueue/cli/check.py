"""`taskqueue check`: look for damage in a database file."""

import sys

import click

from taskqueue.cli import exits, output
from taskqueue.cli.configuration import load_settings
from taskqueue.storage.backend import Database
from taskqueue.storage.databases import faults_of, named


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "check",
        callback=_check,
        params=[
            click.Argument(["path"], required=False),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help="Check the database file at PATH, by default the one in the settings: run SQLite's "
        "own check, and check the rules of the queue. Changes nothing, and the service may run. "
        "Ends with 1 if anything is wrong.",
    )


def _check(*, path: str | None, json: bool) -> None:
    database = load_settings().database if path is None else _named(path)
    with exits.reported():
        faults = faults_of(database)
    if json:
        output.print_json({"path": str(database), "faults": faults})
    elif not faults:
        click.echo(f"{database}: no fault found")
    for fault in () if json else faults:
        exits.complain(f"{database}: {fault}")
    sys.exit(exits.FAILED if faults else exits.OK)


def _named(path: str) -> Database:
    try:
        database = named(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="PATH") from error
    if database is None:
        raise click.BadParameter(f"{path!r} names no file", param_hint="PATH")
    return database

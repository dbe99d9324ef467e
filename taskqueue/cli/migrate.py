"""`taskqueue migrate`: bring the schema of the database up to date, while no service runs."""

import asyncio
import sys

import click

from taskqueue.cli import exits, output
from taskqueue.cli.configuration import load_settings
from taskqueue.storage.backend import Database
from taskqueue.storage.databases import migrate, schema_of
from taskqueue.storage.lifecycle import Migration, Schema


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "migrate",
        callback=_migrate,
        params=[
            click.Option(
                ["--check"],
                is_flag=True,
                help="Change nothing; end with 1 if a migration is needed.",
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help="Bring the schema of the database up to date, as the service does when it starts. It "
        "refuses while a service runs on it. The settings are those of the service; flags such as "
        "--database go before the command.",
    )


def _migrate(*, check: bool, json: bool) -> None:
    database = load_settings().database
    with exits.reported():
        schema = schema_of(database)
        steps = schema.pending if check else asyncio.run(migrate(database))
    if json:
        _print_json(database, schema, steps)
    else:
        click.echo(f"{database}: {_described(schema, steps, is_done=not check)}")
    sys.exit(exits.FAILED if check and steps else exits.OK)


def _print_json(database: Database, schema: Schema, steps: tuple[Migration, ...]) -> None:
    output.print_json(
        {"path": str(database), "from": schema.version, "to": schema.wanted, "steps": steps}
    )


def _described(schema: Schema, steps: tuple[Migration, ...], *, is_done: bool) -> str:
    if not steps:
        return f"schema version {schema.version}, up to date"
    named = ", ".join(f"{step.version} {step.name}" for step in steps)
    begin = "migrated from" if is_done else "needs a migration from"
    return f"{begin} schema version {schema.version} to {schema.wanted} ({named})"

"""`taskqueue copy`: move a service to another database, for example from SQLite to PostgreSQL."""

import asyncio
import sys
from pathlib import Path

import click

from taskqueue.cli import exits, output
from taskqueue.cli.exits import reported
from taskqueue.cli.progress import progress
from taskqueue.storage.backend import Database
from taskqueue.storage.copying.run import Compared, opened
from taskqueue.storage.databases import named

_HELP = """Copy all that the database SOURCE keeps to TARGET, while no service runs on either.

SOURCE and TARGET are URLs, such as sqlite:///data/tasks.db and postgresql://user@host/name, or the
path of a SQLite file. TARGET is a new file, or a database without tables of the queue or with empty
ones. At the end both are read and compared. A copy that was interrupted goes on where it was when
the command is given again; no service starts on half a copy. Ends with 1 if a table differs."""


class DatabaseURL(click.ParamType[Database]):
    """A database by its URL, or a SQLite file by its path."""

    name = "database"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Database:
        """Return the database."""
        try:
            database = named(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if database is None:
            self.fail("no database has this name", param, ctx)
        return database.under(Path.cwd())


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "copy",
        callback=_copy,
        params=[
            click.Argument(["source"], type=DatabaseURL()),
            click.Argument(["target"], type=DatabaseURL()),
            click.Option(
                ["--start-over"],
                is_flag=True,
                help="Delete what an interrupted copy has written to TARGET, and begin again.",
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help=_HELP,
    )


def _copy(*, source: Database, target: Database, start_over: bool, json: bool) -> None:
    with reported():
        tables, left_out = asyncio.run(_copied(source, target, start_over=start_over))
    differing = [table.table for table in tables if not table.is_same]
    if json:
        sides = {"source": str(source), "target": str(target)}
        output.print_json({**sides, "tables": tables, "left_out": left_out})
    else:
        _print_table(tables)
    if left_out:
        exits.complain(f"not copied, because not the queue's: {', '.join(left_out)}")
    if differing:
        exits.complain(
            f"{', '.join(differing)} differ, so no service starts on {target}; if the source was "
            "served since the copy began, copy again with --start-over"
        )
    sys.exit(exits.FAILED if differing else exits.OK)


async def _copied(
    source: Database, target: Database, *, start_over: bool
) -> tuple[tuple[Compared, ...], tuple[str, ...]]:
    """Copy and compare; return what each table is like, and the tables that were left out."""
    async with opened(source, target, start_over=start_over) as copy:
        with progress("copy") as on_progress:
            await copy.run(on_progress)
        with progress("compare") as on_progress:
            tables = await copy.compare(on_progress)
        if all(table.is_same for table in tables):
            await copy.finish()
        return tables, await copy.left_out()


def _print_table(tables: tuple[Compared, ...]) -> None:
    rows = [
        (
            table.table,
            str(table.source.rows),
            str(table.target.rows),
            table.source.checksum[:16],
            table.target.checksum[:16],
            "same" if table.is_same else "DIFFERENT",
        )
        for table in tables
    ]
    columns = ("table", "source rows", "target rows", "source", "target", "")
    output.print_table(columns, rows, flexible=("source", "target"))

"""`taskqueue backup`: copy the database, whether the service runs or not."""

from pathlib import Path

import click

from taskqueue.cli import output
from taskqueue.cli.configuration import load_settings
from taskqueue.cli.exits import reported
from taskqueue.storage.databases import back_up


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "backup",
        callback=_backup,
        params=[
            click.Argument(["path"], type=click.Path(path_type=Path)),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help="Copy the database to a new file at PATH, also while the service runs: the copy has "
        "everything that was committed before. The settings are those of the service; "
        "flags such as --database go before the command.",
    )


def _backup(*, path: Path, json: bool) -> None:
    database = load_settings().database
    with reported(), output.progress_bar("backup") as on_progress:
        size = back_up(database, path, on_progress)
    if json:
        output.print_json({"path": str(path), "bytes": size})
    else:
        click.echo(f"copied {size} bytes to {path}")

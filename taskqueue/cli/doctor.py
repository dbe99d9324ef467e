"""`taskqueue doctor`: check the settings, the file and the machine, and say what to do."""

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from taskqueue.cli import configuration, exits, output
from taskqueue.cli.numbers import Integer
from taskqueue.errors import ConfigError
from taskqueue.rules.versions import parsed

if TYPE_CHECKING:
    from taskqueue.doctor.diagnosis import Diagnosis

_MB = 1024 * 1024
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_WIDE = max(map(len, _COLOURS))

_HELP = """Check all that the service needs, whether it runs or not, and say what to do.

The settings are those of the service: its file, its variables, and its flags, which go before the
command (taskqueue --app jobs:app doctor). Ends with 1 if there is a problem, and with 0 if there
are warnings at most."""


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "doctor",
        callback=_doctor,
        params=[
            click.Option(
                ["--min-free-mb"],
                type=Integer(min=0),
                default=256,
                show_default=True,
                metavar="MB",
                help="With less free space the disk counts as nearly full.",
            ),
            click.Option(
                ["--require-version"],
                metavar="X",
                callback=_release,
                help="Have the database and all nodes on it run this release or a later one.",
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help=_HELP,
    )


def _release(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and parsed(value) is None:
        raise click.BadParameter(f"{value!r} is no version of a release, such as 1.2.0")
    return value


def _doctor(*, min_free_mb: int, require_version: str | None, json: bool) -> None:
    # Imported late: its help need not wait for the service's libraries.
    from taskqueue.doctor.diagnosis import diagnose  # noqa: PLC0415

    try:
        cwd = configuration.working_folder()
    except ConfigError as error:
        sys.exit(configuration.refuse(error))
    found = diagnose(
        click.get_current_context().find_root().obj,
        os.environ,
        cwd,
        min_free_bytes=min_free_mb * _MB,
        required=require_version,
        now=time.time(),
    )
    if json:
        output.print_json(found)
    else:
        _print(found)
    sys.exit(exits.OK if found.is_healthy else exits.FAILED)


def _print(found: "Diagnosis") -> None:
    for finding in found.findings:
        click.echo(f"{_level(finding.level)}  {finding.check}: {output.plain(finding.says)}")
        if finding.advice:
            click.echo(f"{' ' * _WIDE}  → {output.plain(finding.advice)}")
    given = [each for each in found.settings if each.source != "default"]
    if given:
        click.echo()
        output.print_table(
            ("setting", "value", "from"),
            [(each.name, each.value, each.given_as or "") for each in given],
            flexible=("value", "from"),
        )


def _level(level: str) -> str:
    text = level.ljust(_WIDE)
    return click.style(text, fg=_COLOURS[level]) if output.has_colour() else text

"""The command line: flags in, a running service out.

Every setting has its flag, made from `settings.OPTIONS`. Exit codes: 2 if the flags or the settings
cannot be used, else what the service answers.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import click

from taskqueue.errors import ConfigError
from taskqueue.settings import OPTIONS, Option, Settings, load
from taskqueue.settings.kinds import Choice, Switch

_HELP = """Run the task queue: accept tasks over HTTP, keep them, and do them.

Every flag has a variable (--drain-s: TASKQUEUE_DRAIN_S, --retry-max-s: TASKQUEUE_RETRY__MAX_S) and
a key in taskqueue.toml (drain_s, max_s in the table [retry]). A flag beats a variable, a variable
the file."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command with `args` (those of the process if None) and exit."""
    command()(args, prog_name="taskqueue")
    raise AssertionError("click exits")


def command() -> click.Command:
    """Return the `taskqueue` command."""
    config = click.Option(["--config"], metavar="FILE", help="Settings file (TOML).")
    run = click.Command(
        "taskqueue",
        callback=_run,
        params=[*map(_flag, OPTIONS), config],
        help=_HELP,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    return click.version_option(_version(), message="%(prog)s %(version)s")(run)


def _flag(option: Option) -> click.Option:
    """Return the flag of one setting. It takes any text: `load` is what checks, for all sources."""
    kind = option.kind
    is_switch = isinstance(kind, Switch)
    name = option.flag.removeprefix("--")
    default = kind.spell(option.default)
    return click.Option(
        [f"--{name}/--no-{name}" if is_switch else option.flag, _parameter(option)],
        metavar="|".join(kind.words) if isinstance(kind, Choice) else kind.metavar or None,
        help=f"{option.help}  [{default}]" if default else option.help,
        default=None,
    )


def _parameter(option: Option) -> str:
    return option.key.replace(".", "__")


def _run(config: str | None, **parameters: object) -> None:
    used = {
        option.key: value
        for option in OPTIONS
        if (value := parameters[_parameter(option)]) is not None
    }
    settings = _load_or_exit(used if config is None else {**used, "config": config})
    # Imported late, so that `--help` and a refusal need not wait for the service's libraries.
    from taskqueue import logs  # noqa: PLC0415
    from taskqueue.init import run_under_init  # noqa: PLC0415
    from taskqueue.service import serve  # noqa: PLC0415

    logs.configure(settings.log_format, settings.log_level)
    click.get_current_context().exit(run_under_init(partial(serve, settings)))


def _load_or_exit(flags: Mapping[str, object]) -> Settings:
    try:
        return load(flags, os.environ, Path.cwd())
    except ConfigError as error:
        for fault in error.faults:
            click.echo(f"taskqueue: {fault}", err=True)
        return click.get_current_context().exit(2)


def _version() -> str:
    try:
        return metadata.version("taskqueue")
    except metadata.PackageNotFoundError:
        return "(not installed)"

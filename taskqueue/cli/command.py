"""The command line: flags in, a running service out; or, with a command, what that does.

Every setting has its flag, made from `settings.OPTIONS`. Exit codes: 2 if the flags or the settings
cannot be used, else what the service or the command answers.
"""

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from taskqueue.cli import tokens
from taskqueue.errors import ConfigError, Fault
from taskqueue.process import origin
from taskqueue.settings import OPTIONS, Option, Settings, load
from taskqueue.settings.kinds import Choice, Switch
from taskqueue.storage.databases import backend_of

_HELP = """Run the task queue: accept tasks over HTTP, store them and run them.

Every flag has a variable (--drain-s: TASKQUEUE_DRAIN_S, --retry-max-s: TASKQUEUE_RETRY__MAX_S) and
a key in taskqueue.toml (drain_s, max_s in the table [retry]). Flags override variables, and
variables override the file."""

_BENCH_HELP = """Measure the service on this disk, and explain the figures.

It works in a temporary folder beside the database, on the same disk, and never in the database. The
settings are those of the service: its file, its variables, and its flags. Flags other than
--database go before the command (taskqueue --synchronous NORMAL --slots 4 bench)."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command with `args` (those of the process if None) and exit."""
    command()(args, prog_name="taskqueue")
    raise AssertionError("click exits")


def command() -> click.Command:
    """Return the `taskqueue` command."""
    config = click.Option(["--config"], metavar="FILE", help="Settings file (TOML).")
    reload = click.Option(
        ["--reload"],
        is_flag=True,
        help="For development: restart when a Python file in the working folder changes.",
    )
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_tell_version,
        help="Show the version and exit.",
    )
    return click.Group(
        "taskqueue",
        callback=_run,
        invoke_without_command=True,
        subcommand_metavar="[COMMAND]",
        params=[*map(_flag, OPTIONS), config, reload, version],
        commands=[_bench_command(), tokens.group(_load_settings)],
        help=_HELP,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _bench_command() -> click.Command:
    return click.Command(
        "bench",
        callback=_bench,
        params=[
            click.Option(
                ["--seconds"],
                type=click.FloatRange(min=0.5, max=3600),
                default=20.0,
                show_default=True,
                help="Approximate duration.",
            ),
            click.Option(
                ["--database"], metavar="PATH", help="Measure on the disk of this file instead."
            ),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help=_BENCH_HELP,
        short_help="Measure the service on this disk.",
    )


def _flag(option: Option) -> click.Option:
    """Return the flag of one setting. It takes any text: `load` checks it, as from any source."""
    kind = option.kind
    is_switch = isinstance(kind, Switch)
    name = option.flag.removeprefix("--")
    default = kind.spell(option.default)
    return click.Option(
        [*([f"--{name}/--no-{name}"] if is_switch else option.flags), _parameter(option)],
        metavar="|".join(kind.words) if isinstance(kind, Choice) else kind.metavar or None,
        help=f"{option.help}  [{default}]" if default else option.help,
        default=None,
    )


def _parameter(option: Option) -> str:
    return option.key.replace(".", "__")


def _run(config: str | None, *, reload: bool, **parameters: object) -> None:
    used = {
        option.key: value
        for option in OPTIONS
        if (value := parameters[_parameter(option)]) is not None
    }
    context = click.get_current_context()
    context.obj = used if config is None else {**used, "config": config}
    if context.invoked_subcommand is not None:
        return
    settings = _load_or_exit(context.obj)
    # Imported late, so that `--help` and a refusal need not wait for the service's libraries.
    from taskqueue.process.pid1 import run_under_init  # noqa: PLC0415

    serve = partial(_serve_reloading if reload else _serve, settings)
    context.exit(run_under_init(serve))


def _serve_reloading(settings: Settings) -> int:
    origin.remember()
    from taskqueue.cli.reload import run_reloading  # noqa: PLC0415 - as above

    try:
        return run_reloading(settings, sys.argv[1:], _working_folder())
    except ConfigError as error:
        return _refuse(error)


def _serve(settings: Settings) -> NoReturn:
    origin.remember()
    gc.disable()  # what is imported stays: to look for garbage in it is a tenth of the start
    from taskqueue.process.leaving import LEAVE_S, leave  # noqa: PLC0415

    with backend_of(settings.database) as backend:  # what it starts gets ready while we do
        from taskqueue.cli.serving import serve  # noqa: PLC0415
        from taskqueue.logs import pipeline as logs  # noqa: PLC0415

        gc.freeze()
        gc.enable()
        logs.configure(settings.log_format, settings.log_level)
        ended = serve(settings, backend)
    leave(ended.code, by=ended.drained_at + LEAVE_S)


def _bench(*, seconds: float, database: str | None, json: bool) -> None:
    context = click.get_current_context()
    settings = _load_or_exit(
        context.obj if database is None else {**context.obj, "database": database}
    )
    from taskqueue.bench.command import bench  # noqa: PLC0415 - as above

    context.exit(bench(settings, seconds, as_json=json))


def _load_settings() -> Settings:
    return _load_or_exit(click.get_current_context().find_root().obj)


def _load_or_exit(flags: Mapping[str, object]) -> Settings:
    try:
        return load(flags, os.environ, _working_folder())
    except ConfigError as error:
        return click.get_current_context().exit(_refuse(error))


def _refuse(error: ConfigError) -> int:
    for fault in error.faults:
        click.echo(f"taskqueue: {fault}", err=True)
    return 2


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        fault = Fault("working folder", "it has been removed; start the service in another one")
        raise ConfigError((fault,)) from error


def _tell_version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if not is_wanted:
        return
    from importlib import metadata  # noqa: PLC0415 - as above

    try:
        version = metadata.version("taskqueue")
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    click.echo(f"taskqueue {version}")
    context.exit()

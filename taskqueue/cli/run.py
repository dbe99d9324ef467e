"""`taskqueue run`, which is also what `taskqueue` without a command does: run the service."""

import gc
import os
import sys
from functools import partial
from typing import NoReturn

import click

from taskqueue.cli import configuration
from taskqueue.errors import ConfigError
from taskqueue.process import origin
from taskqueue.settings import Settings
from taskqueue.storage.databases import backend_of


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "run",
        callback=_run,
        params=parameters(),
        help="Run the service until it is stopped, as `taskqueue` without a command does.",
    )


def parameters() -> list[click.Parameter]:
    """Return the flags of the service."""
    reload = click.Option(
        ["--reload"],
        is_flag=True,
        help="For development: restart when a Python file in the working folder changes.",
    )
    return [*configuration.parameters(), reload]


def _run(*, reload: bool, **given: object) -> None:
    root = click.get_current_context().find_root()
    run(
        configuration.load_settings(**configuration.flags_of(given)),
        reload=reload or root.params["reload"],
    )


def run(settings: Settings, *, reload: bool) -> None:
    """Run the service and exit with its code."""
    # Imported late, so that `--help` and a refusal need not wait for the service's libraries.
    from taskqueue.process.pid1 import run_under_init  # noqa: PLC0415

    serve = partial(_serve_reloading if reload else _serve, settings)
    click.get_current_context().exit(run_under_init(serve))


def _serve_reloading(settings: Settings) -> int:
    origin.remember()
    from taskqueue.cli.reload import run_reloading  # noqa: PLC0415 - as above

    try:
        return run_reloading(settings, sys.argv[1:], configuration.working_folder())
    except ConfigError as error:
        return configuration.refuse(error)


def _serve(settings: Settings) -> NoReturn:
    origin.remember()
    gc.disable()  # what is imported stays: to look for garbage in it is a tenth of the start
    from taskqueue.process.leaving import LEAVE_S, leave  # noqa: PLC0415

    with backend_of(settings.database) as backend:  # what it starts gets ready while we do
        from taskqueue.cli.serving import serve  # noqa: PLC0415
        from taskqueue.cli.supervised import Supervised  # noqa: PLC0415
        from taskqueue.logs import pipeline as logs  # noqa: PLC0415
        from taskqueue.process.notify import ServiceManager  # noqa: PLC0415

        gc.freeze()
        gc.enable()
        logs.configure(settings.log_format, settings.log_level)
        starter = Supervised(ServiceManager.of(os.environ))
        ended = serve(settings, backend, starter=starter)
    leave(ended.code, by=ended.drained_at + LEAVE_S)

"""The command line: flags in, a running service out; or, with a command, what that does.

Every setting has its flag, made from `settings.OPTIONS`. Each command is a module, imported when it
is used: `--help` and the start of the service wait for none of the others. Exit codes: see `exits`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

import click

from taskqueue.cli import configuration, run
from taskqueue.cli.lazy import Lazy
from taskqueue.cli.root import Root

_HELP = """Run the task queue: accept tasks over HTTP, store them and run them.

Every flag has a variable (--drain-s: TASKQUEUE_DRAIN_S, --retry-max-s: TASKQUEUE_RETRY__MAX_S) and
a key in taskqueue.toml (drain_s, max_s in the table [retry]). Flags override variables, and
variables override the file."""

COMMANDS: Mapping[str, Lazy] = MappingProxyType(
    {
        name: Lazy(f"taskqueue.cli.{name}", summary)
        for name, summary in (
            ("init", "Write a starter project."),
            ("run", "Run the service, as without a command."),
            ("enqueue", "Enqueue a task; with --wait, wait for its end."),
            ("tasks", "Find, count, show, await, edit, cancel, redrive, delete."),
            ("groups", "List, show, await, close, cancel, redrive groups."),
            ("dead", "Find, group, redrive and delete dead tasks."),
            ("queues", "List, pause, resume queues; size their consumers."),
            ("nodes", "List, drain, resume the services that share a database."),
            ("limits", "List, show, set, reset and take limits."),
            ("schedules", "List, create, edit, pause, resume, run, delete."),
            ("consumers", "Show and change how many consumers the queues share."),
            ("running", "List what runs now, and at which line."),
            ("activity", "Show recent throughput, failures and restarts."),
            ("top", "Watch queues, running tasks and restarts."),
            ("tree", "Show the supervision tree."),
            ("audit", "List who changed what."),
            ("settings", "List the settings of the service, and where each comes from."),
            ("openapi", "Print the OpenAPI document of the service."),
            ("backup", "Copy the database, also while the service runs."),
            ("copy", "Copy a database into another one, of either engine."),
            ("check", "Look for damage in a database or a backup."),
            ("migrate", "Bring the schema of a database up to date."),
            ("tokens", "Create, list and revoke access tokens."),
            ("doctor", "Check settings, file and machine; say what to do."),
            ("verify", "Kill a service under load, and check that it kept all."),
            ("bench", "Measure the service on this disk."),
        )
    }
)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command with `args` (those of the process if None) and exit."""
    command()(args, prog_name="taskqueue")
    raise AssertionError("click exits")


def command() -> click.Command:
    """Return the `taskqueue` command."""
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_tell_version,
        help="Show the version and exit.",
    )
    return Root(
        "taskqueue",
        COMMANDS,
        callback=_run,
        invoke_without_command=True,
        subcommand_metavar="[COMMAND]",
        params=[*run.parameters(), version],
        help=_HELP,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _run(*, reload: bool, **given: object) -> None:
    context = click.get_current_context()
    context.obj = configuration.flags_of(given)
    if context.invoked_subcommand is None:
        run.run(configuration.load_settings(), reload=reload)


def _tell_version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if not is_wanted:
        return
    from taskqueue.release import version  # noqa: PLC0415 - it takes as long as all the rest

    click.echo(f"taskqueue {version()}")
    context.exit()

"""The settings of this command line: its flags over the environment over the file."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from taskqueue.errors import ConfigError, Fault
from taskqueue.settings import OPTIONS, Option, Settings, load
from taskqueue.settings.kinds import Choice, Switch


def parameters() -> list[click.Parameter]:
    """Return one flag per setting, and `--config`."""
    config = click.Option(["--config"], metavar="FILE", help="Settings file (TOML).")
    return [*map(_flag, OPTIONS), config]


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


def flags_of(given: Mapping[str, object]) -> dict[str, object]:
    """Return the flags that were used, by the key of their setting."""
    keys = {**{_parameter(option): option.key for option in OPTIONS}, "config": "config"}
    return {key: given[name] for name, key in keys.items() if given[name] is not None}


def load_settings(**over: object) -> Settings:
    """Return the settings of the running command, or end it with 2 and a line per fault.

    Args:
        over: settings of a command's own flags, which win; None leaves one alone.
    """
    context = click.get_current_context()
    flags = {
        **context.find_root().obj,
        **{key: value for key, value in over.items() if value is not None},
    }
    try:
        return load(flags, os.environ, working_folder())
    except ConfigError as error:
        return context.exit(refuse(error))


def refuse(error: ConfigError) -> int:
    """Show what is wrong with the settings; return the exit code."""
    for fault in error.faults:
        click.echo(f"taskqueue: {fault}", err=True)
    return 2


def working_folder() -> Path:
    """Return the working folder.

    Raises:
        ConfigError: it has been removed.
    """
    try:
        return Path.cwd()
    except OSError as error:
        fault = Fault("working folder", "it has been removed; start the service in another one")
        raise ConfigError((fault,)) from error

"""`taskqueue settings`: the settings with which a service runs."""

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.client.views import SettingInfo


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "settings",
        _settings,
        help="List the settings with which the service was started: the value of each, its "
        "default, and where it comes from. Needs the role admin.",
    )


def _settings(connection: Connection, *, as_json: bool) -> None:
    with connection.client() as client:
        settings = client.settings()
    if as_json:
        return output.print_json(settings)
    return output.print_table(
        ("setting", "value", "default", "source"),
        [_row(setting) for setting in settings],
        flexible=("value", "default", "source"),
    )


def _row(setting: SettingInfo) -> tuple[str, ...]:
    source = " ".join(filter(None, (setting.source, setting.given_as)))
    return (setting.name, setting.value or "-", setting.default or "-", source)

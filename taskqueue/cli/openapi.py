"""`taskqueue openapi`: the service's calls as an OpenAPI document."""

import click

from taskqueue.cli.connection import Connection, ServiceCommand


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "openapi",
        _openapi,
        help="Print the OpenAPI document of the service, which is JSON in any case.",
    )


def _openapi(connection: Connection, *, as_json: bool) -> None:
    click.echo(connection.text("/openapi.json").rstrip("\n"))

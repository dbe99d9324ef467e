"""Commands that call a service: where it is, and how they end if it does not answer."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from taskqueue.cli.exits import reported
from taskqueue.cli.numbers import Number
from taskqueue.client.address import URL_VARIABLE
from taskqueue.client.call import Call
from taskqueue.client.routes import Route, route_of
from taskqueue.client.sync import Client
from taskqueue.structs import Struct

DEFAULT_URL = "http://127.0.0.1:8080"
RETRY_S = 2.0
TIMEOUT_S = 10.0


class Connection(Struct):
    """Which service a command calls, and for how long it tries, in seconds."""

    url: str
    token: str | None
    retry_s: float

    def client(self) -> Client:
        """Return a client.

        Raises:
            ConfigError: the URL or the token cannot be used.
        """
        return Client(self.url, token=self.token, retry_s=self.retry_s)

    def route(self) -> Route:
        """Return the way of single calls, for those that a client has no method for.

        Raises:
            ConfigError: the URL or the token cannot be used.
        """
        return route_of(self.url, self.token, timeout_s=TIMEOUT_S, retry_s=self.retry_s)

    def text(self, path: str) -> str:
        """Return the body of the answer to a `GET`, as the service has sent it.

        Raises:
            TaskQueueError: what a client raises.
        """
        route = self.route()
        try:
            return route.do(Call(method="GET", path=path, read=bytes.decode))
        finally:
            route.close()


class ServiceCommand(click.Command):
    """A command whose callback gets a `Connection`, and `as_json`, before its own parameters."""

    def __init__(
        self,
        name: str,
        callback: Callable[..., None],
        *,
        help: str,  # noqa: A002 - click's name for it
        params: Sequence[click.Parameter] = (),
    ) -> None:
        """Make it with `params`, beside those of every such command."""
        super().__init__(name, callback=callback, params=[*params, *_parameters()], help=help)

    def invoke(self, ctx: click.Context) -> None:
        """Run the callback; an error of the service ends it with one line."""
        own: dict[str, Any] = dict(ctx.params)
        url = own.pop("url") or os.environ.get(URL_VARIABLE) or DEFAULT_URL
        connection = Connection(url=url, token=own.pop("token"), retry_s=own.pop("retry_s"))
        callback = self.callback
        assert callback is not None  # noqa: S101 - `__init__` takes no other
        with reported():
            ctx.invoke(callback, connection, as_json=own.pop("json"), **own)


def _parameters() -> list[click.Parameter]:
    return [
        click.Option(
            ["--url"],
            metavar="URL",
            help="http://…, unix://… or sqlite:///… of the service.  "
            f"[TASKQUEUE_URL, or {DEFAULT_URL}]",
        ),
        click.Option(
            ["--token"],
            metavar="TOKEN",
            help="Access token; the variable hides it from other users.  [TASKQUEUE_TOKEN]",
        ),
        click.Option(
            ["--retry-s"],
            type=Number(min=0),
            metavar="S",
            default=RETRY_S,
            show_default=True,
            help="For how long to try while the service cannot be reached.",
        ),
        click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
    ]

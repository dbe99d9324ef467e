"""`taskqueue top`: queues, running tasks and restarts, live on a terminal or once elsewhere."""

import os
import time
from contextlib import suppress

import click

from taskqueue.cli import exits, output, screen
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Number
from taskqueue.cli.top_view import View, lines, read_view
from taskqueue.client.routes import Route
from taskqueue.errors import TaskQueueError

_QUIT = "q"


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "top",
        _top,
        params=[
            click.Option(
                ["--every-s"],
                type=Number(min=0.1),
                default=1.0,
                show_default=True,
                metavar="S",
                help="Time between two views.",
            )
        ],
        help="Watch the queues, the running tasks with their age and line, and what was restarted, "
        "until q or Ctrl-C. If the output is not a terminal, show them once.",
    )


def _top(connection: Connection, *, as_json: bool, every_s: float) -> None:
    route = connection.route()
    try:
        view = read_view(route)  # first, so that a service that is not there ends it with a line
        if as_json:
            output.print_json(view)
        elif output.is_terminal() and os.environ.get("TERM") != "dumb":
            _watch(route, connection.url, view, every_s)
        else:
            click.echo("\n".join(lines(view, connection.url, now=time.time(), rows=None)))
    finally:
        route.close()


def _watch(route: Route, url: str, view: View, every_s: float) -> None:
    footer = _footer("q quits")
    with suppress(KeyboardInterrupt), screen.full_screen():
        while True:
            rows = screen.height() - 2
            shown = lines(view, url, now=time.time(), rows=rows)[:rows]
            screen.draw([*shown, "", footer])
            if screen.pressed(_QUIT, within_s=every_s):
                return
            try:
                view = read_view(route)
                footer = _footer("q quits")
            except TaskQueueError as error:
                footer = _footer(f"{exits.line_of(error)}; q quits", colour="red")


def _footer(text: str, colour: str = "bright_black") -> str:
    cut = output.cut(output.plain(text), output.width() or len(text))
    return click.style(cut, fg=colour) if output.has_colour() else cut

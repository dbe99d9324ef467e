"""`taskqueue tree`: the supervision tree, once or again and again."""

import time
from contextlib import suppress

import click

from taskqueue.cli import output
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.cli.numbers import Number

_COLOURS = {"running": "green", "stopped": "bright_black"}


def command() -> click.Command:
    """Return the command."""
    return ServiceCommand(
        "tree",
        _tree,
        params=[
            click.Option(["--watch"], is_flag=True, help="Refresh it until Ctrl-C."),
            click.Option(
                ["--every-s"],
                type=Number(min=0.1),
                default=1.0,
                show_default=True,
                metavar="S",
                help="Time between two views with --watch.",
            ),
        ],
        help="Show the supervision tree: each part, its state and its restarts.",
    )


def _tree(connection: Connection, *, as_json: bool, watch: bool, every_s: float) -> None:
    path = f"/supervision?format={'json' if as_json else 'text'}"
    if not watch:
        return _show(connection.text(path), as_json=as_json)
    with suppress(KeyboardInterrupt):
        while True:
            tree = connection.text(path)  # first, so that the screen is never empty
            if output.is_terminal() and not as_json:
                click.clear()
            _show(tree, as_json=as_json)
            time.sleep(every_s)


def _show(tree: str, *, as_json: bool) -> None:
    columns = None if as_json else output.width()
    for line in tree.rstrip("\n").splitlines():
        click.echo(_coloured(line if columns is None else output.cut(line, columns)))


def _coloured(line: str) -> str:
    if not output.has_colour():
        return line
    part, separator, rest = line.rpartition("─ ") if "─ " in line else ("", "", line)
    name, gap, state = rest.partition("  ")
    status, more, details = state.partition("  ")
    colour = _COLOURS.get(status, "red")
    return f"{part}{separator}{name}{gap}{click.style(status, fg=colour)}{more}{details}"

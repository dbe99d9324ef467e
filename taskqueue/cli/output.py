"""What commands print: JSON for programs, tables and colours for people."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from taskqueue.rules.tasks import Status

_GAP = 2
_SHORTEST = 6  # to which a column is cut

_COLOURS: Mapping[str, str] = {
    Status.RUNNING: "cyan",
    Status.RETRYING: "yellow",
    Status.COMPLETED: "green",
    Status.DEAD: "red",
    Status.CANCELLED: "bright_black",
    "paused": "yellow",
}


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    click.echo(json_text(value))


def json_text(value: object) -> str:
    """Return a value as JSON."""
    return msgspec.json.encode(value).decode()


def is_terminal() -> bool:
    """Return whether a person reads the standard output."""
    return sys.stdout.isatty()


def has_colour() -> bool:
    """Return whether it may be coloured: a terminal, unless NO_COLOR or TERM=dumb says no."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return is_terminal() and not plain


def width() -> int | None:
    """Return the columns of the terminal; None if there is none, and nothing is cut."""
    return shutil.get_terminal_size((80, 24)).columns if is_terminal() else None


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, flexible: Sequence[str]
) -> None:
    """Print rows below the names of their columns.

    On a terminal that is too narrow the `flexible` columns are cut, the longest first. Elsewhere
    nothing is cut.
    """
    for line in table(columns, rows, flexible=flexible):
        click.echo(line)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, flexible: Sequence[str]
) -> list[str]:
    """Return the lines that `print_table` prints."""
    cells = [list(columns), *([plain(cell) for cell in row] for row in rows)]
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    limits = fit(wide, [columns.index(name) for name in flexible], width())
    return [_line(row, limits, is_header=number == 0) for number, row in enumerate(cells)]


def fit(wide: Sequence[int], flexible: Sequence[int], columns: int | None) -> list[int]:
    """Return the widths of a table whose columns want `wide` and that has `columns` in all.

    >>> fit([36, 20, 30], [1, 2], 80)
    [36, 20, 20]
    """
    limits = list(wide)
    if columns is None:
        return limits
    while sum(limits) + _GAP * (len(limits) - 1) > columns:
        longest = max(flexible, key=lambda at: limits[at])
        if limits[longest] <= _SHORTEST:
            break
        limits[longest] -= 1
    return limits


def _line(row: Sequence[str], limits: Sequence[int], *, is_header: bool) -> str:
    shown = [
        _styled(cut(cell, limit).ljust(limit), is_header=is_header)
        for cell, limit in zip(row, limits, strict=True)
    ]
    return (" " * _GAP).join(shown).rstrip()


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters of a text, the last one a sign that there are more."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _styled(cell: str, *, is_header: bool) -> str:
    if not has_colour():
        return cell
    if is_header:
        return click.style(cell, bold=True)
    colour = _COLOURS.get(cell.strip())
    return cell if colour is None else click.style(cell, fg=colour)


def plain(text: str) -> str:
    """Return a text of a task on one line, without characters that could control a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def age(seconds: float) -> str:
    """Return a duration in its largest unit.

    >>> age(0.4), age(75), age(7_200), age(200_000)
    ('0s', '1m', '2h', '2d')
    """
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(max(seconds, 0))}s"


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Draw a bar on standard error, if that is a terminal.

    Gives what moves it: call that with how much is done, and how much there is in all.
    """
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=0, label=label, file=sys.stderr, hidden=hidden) as bar:

        def move(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield move


def instant(at: float | None) -> str:
    """Return an instant in UTC, as it can be passed to the filters."""
    if at is None:
        return "-"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print names and values in two columns; those that are None are left out."""
    shown = {name: value for name, value in fields.items() if value is not None}
    wide = max(map(len, shown))
    for name, value in shown.items():
        click.echo(f"{name.ljust(wide)}  {plain(str(value))}")

"""How far a long command is: a bar on a terminal, a line every few seconds elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import click

from taskqueue.cli import output

LINE_S = 5.0


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show on standard error how far something is.

    Gives what moves it: call that with how much is done, and how much there is in all.
    """
    if sys.stderr.isatty():
        with output.progress_bar(label) as move:
            yield move
    else:
        yield Lines(label).move


class Lines:
    """Says how far something is, in a line every `LINE_S` seconds of a clock."""

    def __init__(self, label: str, clock: Callable[[], float] = monotonic) -> None:
        self._label = label
        self._clock = clock
        self._due_at = clock() + LINE_S

    def move(self, done: int, of: int) -> None:
        """Print a line if one is due."""
        now = self._clock()
        if now >= self._due_at:
            self._due_at = now + LINE_S
            click.echo(line(self._label, done, of), err=True)


def line(label: str, done: int, of: int) -> str:
    """Return how far something is.

    >>> line("copy", 250_000, 1_000_000)
    'copy: 250,000 of 1,000,000 rows (25 %)'
    """
    return f"{label}: {done:,} of {of:,} rows ({100 * done // max(of, 1)} %)"

"""A terminal that is drawn again and again, and asked for keys."""

import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

import click

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # another screen, without a cursor
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


@contextmanager
def full_screen() -> Iterator[None]:
    """Draw on a screen of our own, and give the user's own back at the end.

    Keys are read one by one, and not shown. Ctrl-C raises `KeyboardInterrupt` as usual.
    """
    keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = None if keyboard is None else termios.tcgetattr(keyboard)
    if keyboard is not None:
        tty.setcbreak(keyboard)
    click.echo(_ENTER, nl=False)
    try:
        yield
    finally:
        click.echo(_LEAVE, nl=False)
        if keyboard is not None and before is not None:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def height() -> int:
    """Return the lines of the terminal."""
    return shutil.get_terminal_size((80, 24)).lines


def draw(lines: Sequence[str]) -> None:
    """Replace what is on the screen, without flicker; what has no room is left out."""
    shown = f"{_REST_OF_LINE}\n".join(lines[: height()])
    click.echo(f"{_HOME}{shown}{_REST_OF_LINE}{_REST}", nl=False)


def pressed(key: str, *, within_s: float) -> bool:
    """Wait for so long; return at once, and True, when this key is pressed."""
    deadline = monotonic() + within_s
    while (left_s := deadline - monotonic()) > 0:
        keyboards = [sys.stdin] if sys.stdin.isatty() else []
        ready, _, _ = select.select(keyboards, [], [], left_s)
        if ready and key.encode() in os.read(sys.stdin.fileno(), 1024):
            return True
    return False

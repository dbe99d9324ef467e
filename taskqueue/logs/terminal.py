"""Renders an event for a human at a terminal.

    08:00:00 info     child_started root/database incarnation=1
    08:00:01 info     task_completed task_id=01a224b3-4cb4-78b5-8b81-b90cf0e7d757
                      action=echo attempt=1 outcome=succeeded

Lines break between words at the width of the terminal. A child is shown by its path instead of its
URN. The end of the start is a banner.
"""

import re
import textwrap
from collections.abc import Callable
from time import localtime, strftime
from typing import Final

from structlog.typing import EventDict, WrappedLogger

_INDENT: Final = len("08:00:00 critical ")
_RESET = "\x1b[0m"
_DIM = "\x1b[2m"
_BOLD = "\x1b[1m"
_KEY = "\x1b[36m"
_LEVELS = {"debug": _DIM, "info": "\x1b[32m", "warning": "\x1b[33m"}
_BAD = "\x1b[1;31m"  # any other level
_FIELD = re.compile(r"(?<=\s)([^\s='\"]+=)")


class Columns:
    """The last processor: makes text of an event whose values are plain."""

    def __init__(self, *, width: Callable[[], int] | None, coloured: bool) -> None:
        """Make it.

        Args:
            width: the width of the terminal now; None: lines are as long as they are.
            coloured: use colours.
        """
        self._width = width
        self._coloured = coloured

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> str:
        """Return the lines of the event."""
        if event.get("event") == "service_ready" and "url" in event:
            return "\n".join(map(self._wrapped, _banner(event)))
        name, level = event.pop("event", ""), str(event.pop("level", ""))
        exception = event.pop("exception", None)
        child = _child(event)
        fields = "".join(f" {_shown(key)}={_shown(value)}" for key, value in event.items())
        head = f"{strftime('%H:%M:%S', localtime())} {level:<8} "
        lines = self._wrapped(f"{head}{_printable(str(name))}{child}{fields}")
        if self._coloured:
            lines = _coloured(lines, level)
        return lines if exception is None else f"{lines}\n{_printable(str(exception))}"

    def _wrapped(self, text: str) -> str:
        if self._width is None:
            return text
        return textwrap.fill(
            text,
            self._width(),
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _child(event: EventDict) -> str:
    """Take out what names a child of a supervisor; return its path."""
    if "supervisor" not in event or "child_id" not in event:
        return ""
    event.pop("pid", None)
    return f" {_shown(event.pop('supervisor'))}/{_shown(event.pop('child_id'))}"


def _banner(event: EventDict) -> tuple[str, str]:
    app, database, consumers = (event.get(name) for name in ("app", "database", "consumers"))
    return (
        f"taskqueue is ready at {_shown(event['url'])}",
        f"app {_shown(app)}, database {_shown(database)}, consumers {consumers}; Ctrl-C stops it",
    )


def _coloured(lines: str, level: str) -> str:
    time, shown, rest = lines[:8], lines[9 : _INDENT - 1], lines[_INDENT - 1 :]
    name, _, fields = rest[1:].partition(" ")
    return (
        f"{_DIM}{time}{_RESET} {_LEVELS.get(level, _BAD)}{shown}{_RESET} {_BOLD}{name}{_RESET}"
        + _FIELD.sub(rf"{_KEY}\1{_RESET}", f" {fields}" if fields else "")
    )


def _shown(value: object) -> str:
    """Return a value as one word, or in quotes."""
    is_word = isinstance(value, str) and value.isprintable() and value and " " not in value
    return str(value) if is_word else repr(value)


def _printable(text: str) -> str:
    """Return a text that does nothing to a terminal but to fill its lines."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)

"""How the lines of handlers are shown: their files relative to where modules are looked for."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from msgspec.structs import replace

from taskqueue.rules.running import HandlerLine


def shown(line: HandlerLine, folders: Iterable[str]) -> HandlerLine:
    """Return a line whose file is relative to the first of `folders` that holds it."""
    return replace(line, file=relative(line.file, folders))


def relative(file: str, folders: Iterable[str]) -> str:
    """Return a module's file relative to the first of `folders` that holds it.

    >>> relative("/srv/shop/tasks/mail.py", ["/srv/lib", "/srv/shop"])
    'tasks/mail.py'
    >>> relative("/opt/other.py", ["/srv/shop"])
    '/opt/other.py'
    """
    path = PurePath(file)
    below = (path.relative_to(each) for each in folders if path.is_relative_to(each))
    return str(next(below, path))


def folders_of(app: str) -> Sequence[str]:
    """Return where modules are looked for: the app's folder, then Python's, the deepest first."""
    # User code may have put anything there.
    path = sorted((each for each in sys.path if type(each) is str and each), key=len)[::-1]
    return [app, *path] if app else path

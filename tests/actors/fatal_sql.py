"""The process that writes, which dies of any statement that names `fatal`."""

import os
import signal
import sqlite3
from typing import Any

from taskqueue.rules.tasks import Statement
from taskqueue.storage.sqlite import handler_sql, writer_process

COMMAND = """\
import sys
sys.path[:] = {path!r}
from tests.actors.fatal_sql import main
main({descriptor})
"""
"""In the place of `spawning`'s own."""

_apply = handler_sql.apply


def _apply_or_die(db: sqlite3.Connection, statements: tuple[Statement, ...], **limits: Any) -> None:
    if any("fatal" in statement.sql for statement in statements):
        os.kill(os.getpid(), signal.SIGKILL)
    _apply(db, statements, **limits)


def main(descriptor: int) -> None:
    """Write until then."""
    handler_sql.apply = _apply_or_die
    writer_process.main(descriptor)

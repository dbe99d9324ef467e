"""The process that writes, which dies of any statement that names `fatal`."""

import os
import signal
import sqlite3
from typing import Any

from taskqueue.rules.tasks import Statement
from taskqueue.storage.sqlite.connections import process_main
from taskqueue.storage.sqlite.handler_sql import execution

COMMAND = """\
import sys
sys.path[:] = {path!r}
from tests.actors.fatal_sql import main
main({descriptor})
"""
"""In the place of `spawn`'s own."""

_apply = execution.apply


def _apply_or_die(db: sqlite3.Connection, statements: tuple[Statement, ...], **limits: Any) -> None:
    if any("fatal" in statement.sql for statement in statements):
        os.kill(os.getpid(), signal.SIGKILL)
    _apply(db, statements, **limits)


def main(descriptor: int) -> None:
    """Write until then."""
    execution.apply = _apply_or_die
    process_main.main(descriptor)

"""The processes that commit, without the timer that ends a statement which takes too long."""

import signal

from taskqueue.storage.sqlite.connections import process_main

COMMAND = """\
import sys
sys.path[:] = {path!r}
from tests.sandbox.untimed import main
main({descriptor})
"""
"""In the place of `spawn`'s own."""


def main(descriptor: int) -> None:
    """Commit, for as long as it takes."""
    signal.setitimer = lambda *_: (0.0, 0.0)
    process_main.main(descriptor)

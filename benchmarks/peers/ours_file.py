"""taskqueue through its SQLite file: a program that writes there, beside a service."""

import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from urllib.parse import urlsplit

from benchmarks.peers.ours_app import APP
from benchmarks.peers.ours_client import ClientProducer
from benchmarks.peers.peer import address
from taskqueue import Client

_FILE = urlsplit(address()).path
_COMPLETED = "SELECT tasks FROM counters WHERE status = 'completed'"


def worker() -> Sequence[str]:
    """Return the command that starts the service with its default settings."""
    where = ("--port", "0", "--database", _FILE)
    return (sys.executable, "-m", "taskqueue.supervisor", "--app", APP, *where)


class FileProducer(ClientProducer):
    """Writes into the file."""

    async def finished(self) -> int:
        """Return how many are completed."""
        with closing(sqlite3.connect(f"file:{_FILE}?mode=ro", uri=True)) as db:
            [completed] = db.execute(_COMPLETED).fetchone()
        return int(completed)


@asynccontextmanager
async def producing() -> AsyncIterator[FileProducer]:
    """Open the file."""
    with Client(f"sqlite://{_FILE}") as client:
        yield FileProducer(client)

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
from taskqueue.storage.sqlite.engine import SQLiteStorage

_FILE = urlsplit(address()).path.removeprefix("/")  # of four slashes
_COMPLETED = "SELECT tasks FROM counters WHERE status = 'completed'"


async def install() -> None:
    """Make the file as the service does, so that a client may write there before that runs."""
    storage = SQLiteStorage(_FILE)
    await storage.migrate()
    await storage.open()
    await storage.close()


def worker(_: int) -> Sequence[str]:
    """Return the command that starts the service with its default settings."""
    where = ("--port", "0", "--database", address())
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
    with Client(address()) as client:
        yield FileProducer(client)

"""taskqueue over HTTP: a service in a process of its own, and its client on one connection."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from benchmarks.peers.ours_app import APP
from benchmarks.peers.ours_client import HTTPProducer
from benchmarks.peers.peer import address
from taskqueue import Client

_URL = urlsplit(address())
_DATABASE = parse_qs(_URL.query)["database"][0]


async def install() -> None:
    """Make nothing: the service makes its file."""


def worker(_: int) -> Sequence[str]:
    """Return the command that starts the service with its default settings."""
    where = ("--port", str(_URL.port), "--database", _DATABASE)
    return (sys.executable, "-m", "taskqueue.supervisor", "--app", APP, *where)


@asynccontextmanager
async def producing() -> AsyncIterator[HTTPProducer]:
    """Connect; calls wait until the service is there."""
    with Client(f"http://{_URL.netloc}") as client:
        yield HTTPProducer(client)

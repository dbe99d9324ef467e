"""The servers of peers, each started for one measurement, in a folder that is gone afterwards."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from benchmarks.apart import apart
from taskqueue.storage.sqlite.engine import SQLiteStorage

LOOK_S = 0.01


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    """A file that does not exist yet."""
    yield f"sqlite:///{folder / 'tasks.db'}"


@contextmanager
def migrated_sqlite(folder: Path) -> Iterator[str]:
    """A file that taskqueue has made, so that a client may write there before the service runs."""
    path = folder / "tasks.db"
    apart(_make, path)  # a loop runs already in this process
    yield f"sqlite:///{path}"


def _make(path: Path) -> None:
    asyncio.run(_opened_once(path))


async def _opened_once(path: Path) -> None:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()
    await storage.close()


@contextmanager
def http_on_sqlite(folder: Path) -> Iterator[str]:
    """A free port, for a service on such a file."""
    yield _service_url(str(folder / "tasks.db"))


def _service_url(database: str) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        _, port = free.getsockname()
    return f"http://127.0.0.1:{port}/?database={quote(database, safe='')}"


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis that keeps nothing on disk, reached by a socket file: as fast as it can be."""
    address = folder / "redis.sock"
    options = {"port": "0", "unixsocket": str(address), "save": "", "appendonly": "no"}
    command = ["redis-server", "--dir", str(folder)]
    for name, value in options.items():
        command += [f"--{name}", value]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(server, address)
        yield f"unix://{address}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(server: "subprocess.Popen[bytes]", address: Path) -> None:
    while not _answers(address):
        if server.poll() is not None:
            raise subprocess.CalledProcessError(server.returncode, server.args)
        time.sleep(LOOK_S)


def _answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(address))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

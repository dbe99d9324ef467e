"""The servers of peers, each started for one measurement, in a folder that is gone afterwards."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from benchmarks.apart import apart
from tests.postgres_server import PostgresServer, postgres_server

LOOK_S = 0.01
READY_WITHIN_S = 180.0  # RabbitMQ takes its time on a busy machine

Server: TypeAlias = "subprocess.Popen[bytes]"


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    """A file that does not exist yet."""
    yield f"sqlite:///{folder / 'tasks.db'}"


@contextmanager
def http_on_sqlite(folder: Path) -> Iterator[str]:
    """A free port, for a service on such a file."""
    database = quote(str(folder / "tasks.db"), safe="")
    yield f"http://127.0.0.1:{_free_port()}/?database={database}"


@contextmanager
def postgres(_: Path) -> Iterator[str]:
    """A database of its own on the PostgreSQL of the tests, with its default durability."""
    with postgres_server() as server:
        name = apart(_created, server.url)  # a loop runs already in this process
        yield server.url_of(name)
        apart(_dropped, server.url, name)


def _created(url: str) -> str:
    return asyncio.run(PostgresServer(url).create())


def _dropped(url: str, name: str) -> None:
    asyncio.run(PostgresServer(url).drop(name))


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis that keeps nothing on disk, reached by a socket file: as fast as it can be."""
    address = folder / "redis.sock"
    options = {"port": "0", "unixsocket": str(address), "save": "", "appendonly": "no"}
    command = ["redis-server", "--dir", str(folder)]
    for name, value in options.items():
        command += [f"--{name}", value]
    with _running(command, {}) as server:
        _wait_for(server, socket.AF_UNIX, str(address))
        yield f"unix://{address}"


RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # beside the one that changes the user


@contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """A RabbitMQ as it comes, without plugins, with a port mapper of its own."""
    port, mapper = _free_port(), _free_port()
    plugins = folder / "plugins"
    plugins.write_text("[].")
    settings = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"peer{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(_free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
    }
    try:
        with _running([str(RABBITMQ)], settings) as server:
            _wait_for(server, socket.AF_INET, ("127.0.0.1", port))
            yield f"amqp://guest:guest@127.0.0.1:{port}"
    finally:
        ended = ["epmd", "-port", str(mapper), "-kill"]
        subprocess.run(ended, capture_output=True, check=False)


# --- processes ------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def _running(command: Sequence[str], settings: Mapping[str, str]) -> Iterator[Server]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | dict(settings))
    try:
        yield server
    finally:
        server.terminate()
        server.wait()


def _wait_for(server: Server, family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
    ends_at = time.monotonic() + READY_WITHIN_S
    while True:
        with socket.socket(family) as sock:
            try:
                sock.connect(address)
            except (FileNotFoundError, ConnectionRefusedError):
                if server.poll() is not None or time.monotonic() > ends_at:
                    raise
                time.sleep(LOOK_S)
            else:
                return

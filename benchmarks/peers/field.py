"""Who is measured: the peers that a user would choose from, and the ways into taskqueue."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from benchmarks.peers import servers

Server: TypeAlias = Callable[[Path], AbstractContextManager[str]]
"""Runs what a peer stores its tasks in, below a folder; the context is its URL."""

EXTRA = "pip install 'taskqueue-otp[bench]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A peer, and what it needs before its module can be imported."""

    name: str
    module: str
    server: Server
    options: str = ""  # added to the URL
    packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    beside: str | None = None  # whose figures are divided by its own; None: one of ours

    @property
    def missing(self) -> str | None:
        """What this machine lacks of it, and how to get that."""
        for package in self.packages:
            if find_spec(package) is None:
                return f"the package {package} ({EXTRA})"
        for program in self.programs:
            if shutil.which(program) is None:
                return f"the program {program} (apt-get install {program})"
        return None


ENTRANTS = (
    Entrant(
        name="taskqueue-http",
        module="benchmarks.peers.ours_http",
        server=servers.http_on_sqlite,
    ),
    Entrant(
        name="taskqueue-file",
        module="benchmarks.peers.ours_file",
        server=servers.migrated_sqlite,
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
        programs=("redis-server",),
        beside="taskqueue-http",
    ),
)
BY_NAME: Mapping[str, Entrant] = {entrant.name: entrant for entrant in ENTRANTS}

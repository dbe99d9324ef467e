"""The figures of clients that wait for a task: what ten thousand of them cost the service.

The service is started with `--max-connections 14000`, of which three quarters may wait. That takes
18,667 file descriptors: `ulimit -Hn` must allow as many.
"""

import http.client
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from benchmarks import servers
from benchmarks.harness import Figure
from benchmarks.http import A_FEW
from benchmarks.load import answers
from benchmarks.memory import resident_mb
from benchmarks.results import Target
from taskqueue.http.server import descriptors
from taskqueue.http.server.limits import descriptors_for
from taskqueue.testing.process import children_of

WAITERS = 10_000
MAX_CONNECTIONS = 14_000
SETTLED_S = 2.0  # after which every request has been read


@contextmanager
def serving() -> Iterator[tuple[int, int]]:
    """Run the service until the block ends; yield its port and its process id."""
    before = {*children_of(os.getpid())}
    with servers.service("app", "--max-connections", str(MAX_CONNECTIONS)) as port:
        [pid] = {*children_of(os.getpid())} - before
        time.sleep(SETTLED_S)
        yield port, pid


@contextmanager
def waiting(port: int) -> Iterator[None]:
    """Have ten thousand clients of a process of their own wait until the block ends."""
    command = [sys.executable, "-m", "benchmarks.waiting_clients", str(port), str(WAITERS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as clients:
        assert clients.stdout is not None
        assert clients.stdout.readline() == b"open\n"
        time.sleep(SETTLED_S)
        try:
            yield
            assert clients.poll() is None, "a client was not answered as it should be"
        finally:
            clients.kill()


def p99_ms(seconds: float) -> float:
    """Return the p99 of `POST /tasks` in ms, without waiting clients."""
    with serving() as (port, _):
        return answers(A_FEW, port, seconds).p99_ms


def p99_beside_ms(seconds: float) -> float:
    """Return the p99 of `POST /tasks` while ten thousand clients wait."""
    with serving() as (port, _), waiting(port):
        return answers(A_FEW, port, seconds).p99_ms


def waiter_kb(_: float) -> float:
    """Return the memory of one client that waits, in KB."""
    with serving() as (port, pid):
        before = resident_mb(pid)
        with waiting(port):
            return 1024 * (resident_mb(pid) - before) / WAITERS


def connection_kb(_: float) -> float:
    """Return the memory of one connection that is kept after a request, in KB."""
    descriptors.raise_limit()
    with serving() as (port, pid), ExitStack() as stack:
        before = resident_mb(pid)
        for _ in range(WAITERS):
            connection = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port)))
            connection.request("GET", "/health")
            connection.getresponse().read()
        time.sleep(SETTLED_S)
        return 1024 * (resident_mb(pid) - before) / WAITERS


def missing() -> str | None:
    """Return what this machine lacks to have so many connections, None if it can."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = descriptors_for(MAX_CONNECTIONS)
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return None
    return f"a limit of {needed:,} file descriptors (ulimit -Hn)"


FIGURES = (
    Figure(
        name="waiters.post_p99",
        unit="ms",
        ours=p99_beside_ms,
        against="the same p99 without waiters",
        floor=p99_ms,
        target=Target("ratio", "≤", 1.5),
        missing=missing(),
    ),
    Figure(
        name="waiters.memory",
        unit="KB",
        ours=waiter_kb,
        against="a connection that is kept after a request",
        floor=connection_kb,
        missing=missing(),
    ),
)

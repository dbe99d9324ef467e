"""The figures of event streams: what a hundred of them cost a service, and the requests beside."""

import http.client
import os
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
from benchmarks.processor import running_s
from benchmarks.results import Target
from taskqueue.testing.process import children_of

STREAMS = 100
SETTLED_S = 0.5  # after which nothing of a start goes on
MOST_PERCENT = 2.0  # of a core, for one stream


@contextmanager
def reading(port: int) -> Iterator[None]:
    """Have a process of its own read a hundred streams until the block ends."""
    command = [sys.executable, "-m", "benchmarks.stream_readers", str(port), str(STREAMS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as readers:
        assert readers.stdout is not None
        assert readers.stdout.readline() == b"open\n"
        try:
            yield
        finally:
            readers.kill()


@contextmanager
def serving() -> Iterator[tuple[int, int]]:
    """Run the service until the block ends; yield its port and its process id."""
    before = {*children_of(os.getpid())}
    with servers.service() as port:
        [pid] = {*children_of(os.getpid())} - before
        time.sleep(SETTLED_S)
        yield port, pid


# --- the requests beside --------------------------------------------------------------------------


def p99_ms(seconds: float) -> float:
    """Return the p99 of `POST /tasks` with no stream open, in ms."""
    with serving() as (port, _):
        return answers(A_FEW, port, seconds).p99_ms


def p99_beside_ms(seconds: float) -> float:
    """Return the p99 of `POST /tasks` while a hundred clients see all that it makes happen."""
    with serving() as (port, _), reading(port):
        return answers(A_FEW, port, seconds).p99_ms


# --- the service ----------------------------------------------------------------------------------


def percent_per_stream(seconds: float) -> float:
    """Return how much more of a core the service takes for each live stream, in percent."""
    with serving() as (port, pid):
        without = _percent(port, pid, seconds)
        with reading(port):
            return max((_percent(port, pid, seconds) - without) / STREAMS, 1e-6)


def _percent(port: int, pid: int, seconds: float) -> float:
    before, began_at = running_s(pid), time.monotonic()
    answers(A_FEW, port, seconds)
    return 100 * (running_s(pid) - before) / (time.monotonic() - began_at)


def stream_kb(_: float) -> float:
    """Return the memory of one open stream, in KB."""
    with serving() as (port, pid):
        before = resident_mb(pid)
        with reading(port):
            time.sleep(SETTLED_S)
            return max(1024 * (resident_mb(pid) - before) / STREAMS, 1e-6)


def connection_kb(_: float) -> float:
    """Return the memory of one connection that is kept after a request, in KB."""
    with serving() as (port, pid), ExitStack() as stack:
        before = resident_mb(pid)
        for _ in range(STREAMS):
            connection = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port)))
            connection.request("GET", "/stats")
            connection.getresponse().read()
        time.sleep(SETTLED_S)
        return max(1024 * (resident_mb(pid) - before) / STREAMS, 1e-6)


FIGURES = (
    Figure(
        name="streams.post_p99",
        unit="ms",
        ours=p99_beside_ms,
        against="the same p99 without streams",
        floor=p99_ms,
        target=Target("ratio", "≤", 1.5),
    ),
    Figure(
        name="streams.processor",
        unit="%",
        ours=percent_per_stream,
        against="two percent of a core",
        floor=lambda _: MOST_PERCENT,
        target=Target("ratio", "≤", 1),
    ),
    Figure(
        name="streams.memory",
        unit="KB",
        ours=stream_kb,
        against="a connection that is kept after a request",
        floor=connection_kb,
    ),
)

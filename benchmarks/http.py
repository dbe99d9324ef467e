"""The figures of HTTP."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeAlias

import msgspec

from benchmarks import raw_inserts, servers
from benchmarks.apart import apart
from benchmarks.arrivals import Arrivals
from benchmarks.harness import Figure, Measure
from benchmarks.latency import latencies_ms
from benchmarks.load import Answers, Load, answers, post, quantile
from benchmarks.results import Target

Server: TypeAlias = Callable[[], AbstractContextManager[int]]
"""Runs a server; the context is its port."""

DATA = {"text": "hello, world", "number": 1}
TASK = {"action": "no_op", "data": DATA}

CROWD = Load(request=post("/tasks", TASK), connections=64)
LISTS = Load(request=post("/tasks", [TASK] * 100), connections=4)
A_FEW = Load(request=post("/tasks", TASK), connections=4, pause_s=0.005)

accepting = partial(servers.service, paused=True)
bare = partial(servers.server, "benchmarks.bare_servers", "accepting")
committing = partial(servers.server, "benchmarks.bare_servers", "committing")

# --- accepting ------------------------------------------------------------------------------------


def per_second(load: Load, server: Server) -> Measure:
    """Return requests per second that a server accepts."""
    return _of_answers(lambda found: found.per_second, load, server)


def p99_ms(load: Load, server: Server) -> Measure:
    """Return the p99 of the time that a server takes to accept, in ms."""
    return _of_answers(lambda found: found.p99_ms, load, server)


def _of_answers(figure: Callable[[Answers], float], load: Load, server: Server) -> Measure:
    def measured(seconds: float) -> float:
        with server() as port:
            return figure(answers(load, port, seconds))

    return measured


def listed_per_second(seconds: float) -> float:
    """Return tasks per second that are accepted in lists of 100."""
    return 100 * per_second(LISTS, accepting)(seconds)


def inserted_per_second(seconds: float) -> float:
    """Return tasks per second that SQLite alone takes in."""
    return apart(raw_inserts.rows_per_second, msgspec.json.encode(DATA), seconds)


# --- until a handler runs -------------------------------------------------------------------------


def latency_ms(share: float, server: Server) -> Measure:
    """Return the time from a request to its handler that this share of them keeps to, in ms."""

    def measured(seconds: float) -> float:
        with server() as port:
            return quantile(latencies_ms(port, seconds), share)

    return measured


# --- beside handlers that compute -----------------------------------------------------------------

PROCESSORS = os.cpu_count() or 1
LONG_S = 600.0  # they end with the service

# With a consumer for each processor, so that one handler can burn each.
burnable = partial(servers.service, "burning", "--consumers", str(PROCESSORS))
idle = partial(burnable, paused=True)


@contextmanager
def burning() -> Iterator[int]:
    """Run the same service while handlers in processes keep every processor busy."""
    with burnable() as port, Arrivals() as arrivals:
        burn = {"action": "burn", "data": {"seconds": LONG_S, "port": arrivals.port}}
        servers.post(port, "/tasks", [burn] * PROCESSORS)
        for _ in range(PROCESSORS):
            arrivals.next_at()
        servers.pause(port)
        yield port


# --- all of it ------------------------------------------------------------------------------------

FIGURES = (
    Figure(
        name="http.post",
        unit="/s",
        ours=per_second(CROWD, accepting),
        against="bare aiohttp that parses and answers, stores nothing",
        floor=per_second(CROWD, bare),
        target=Target("ratio", "≥", 0.75),
    ),
    Figure(
        name="http.post_while_working",
        unit="/s",
        ours=per_second(CROWD, servers.service),
        against="bare aiohttp that parses and answers, does nothing",
        floor=per_second(CROWD, bare),
    ),
    Figure(
        name="http.post_p99",
        unit="ms",
        ours=p99_ms(CROWD, accepting),
        against="bare aiohttp that parses and answers, stores nothing",
        floor=p99_ms(CROWD, bare),
        target=Target("ratio", "≤", 2),
    ),
    Figure(
        name="http.post_list",
        unit="tasks/s",
        ours=listed_per_second,
        against="SQLite alone, 1,000 rows in a transaction",
        floor=inserted_per_second,
        target=Target("ratio", "≥", 0.35),
    ),
    Figure(
        name="http.latency_p50",
        unit="ms",
        ours=latency_ms(0.50, servers.service),
        against="bare aiohttp that commits a row and calls the handler",
        floor=latency_ms(0.50, committing),
        target=Target("ours", "≤", 2),
    ),
    Figure(
        name="http.latency_p99",
        unit="ms",
        ours=latency_ms(0.99, servers.service),
        against="our own p50",
        floor=latency_ms(0.50, servers.service),
        target=Target("ratio", "≤", 5),
    ),
    Figure(
        name="http.post_beside_processes",
        unit="ms",
        ours=p99_ms(A_FEW, burning),
        against="the same p99 while nothing runs",
        floor=p99_ms(A_FEW, idle),
        target=Target("ratio", "≤", 3),
    ),
)

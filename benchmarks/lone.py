"""The figures of one task at a time: for a caller who has nothing else in flight."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from benchmarks import lone_floors, raw_commits, servers
from benchmarks.arrivals import Arrivals
from benchmarks.harness import Figure, Measure, async_rate, on_loop
from benchmarks.http import TASK, Server, bare
from benchmarks.life import app, no_op
from benchmarks.load import post, quantile
from benchmarks.peers.field import BY_NAME
from benchmarks.peers.measures import enqueueing_s, latencies_s, quantile_ms
from benchmarks.running import running
from benchmarks.serial_posts import posts_and_commits_ms, posts_ms

Posting: TypeAlias = Callable[[int, bytes, float], list[float]]

ONE = post("/tasks", TASK)
LONG_S = 600.0  # it ends with the service

# --- over HTTP ------------------------------------------------------------------------------------


def post_ms(share: float, server: Server, posting: Posting = posts_ms) -> Measure:
    """Return the ms which this share of serial requests keeps to, on one connection."""

    def measured(seconds: float) -> float:
        with server() as port:
            return quantile(posting(port, ONE, seconds), share)

    return measured


bare_ms = partial(post_ms, server=bare, posting=posts_and_commits_ms)


@contextmanager
def computing() -> Iterator[int]:
    """Run the service while a handler computes in one of its threads."""
    with servers.service() as port, Arrivals() as arrivals:
        compute = {"action": "compute", "data": {"seconds": LONG_S, "port": arrivals.port}}
        servers.post(port, "/tasks", compute)
        arrivals.next_at()
        yield port


# --- in the process of the service ----------------------------------------------------------------


@on_loop
async def enqueues_per_second(seconds: float) -> float:
    """Return serial enqueues per second, while two consumers run what is enqueued."""
    async with running(app):
        return await async_rate(lambda: no_op.enqueue(number=1), seconds)


# --- all of it ------------------------------------------------------------------------------------

RAW_COMMITS = "commits of one row with synchronous=FULL, by SQLite alone"
HUEY = "Huey on SQLite, which syncs as we do"
POST_AND_COMMIT = "a POST to bare aiohttp, then a commit of one row with synchronous=FULL"

FIGURES = (
    Figure(
        name="lone.post_p50",
        unit="ms",
        ours=post_ms(0.50, servers.service),
        against=POST_AND_COMMIT,
        floor=bare_ms(0.50),
    ),
    Figure(
        name="lone.post_p99",
        unit="ms",
        ours=post_ms(0.99, servers.service),
        against=POST_AND_COMMIT,
        floor=bare_ms(0.99),
    ),
    Figure(
        name="lone.enqueue",
        unit="/s",
        ours=enqueues_per_second,
        against=RAW_COMMITS,
        floor=raw_commits.per_second,
    ),
    Figure(
        name="lone.enqueue_sql",
        unit="/s",
        ours=lone_floors.lives_per_second,
        against=RAW_COMMITS,
        floor=raw_commits.per_second,
    ),
    Figure(
        name="lone.latency_p50",
        unit="ms",
        ours=quantile_ms("taskqueue-http", latencies_s, 0.50),
        against="Huey on Redis, in memory, from its enqueue",
        floor=quantile_ms("huey-redis", latencies_s, 0.50),
        missing=BY_NAME["huey-redis"].missing,
    ),
    Figure(
        name="lone.file_p50",
        unit="ms",
        ours=quantile_ms("taskqueue-file", enqueueing_s, 0.50),
        against=HUEY,
        floor=quantile_ms("huey-sqlite", enqueueing_s, 0.50),
        missing=BY_NAME["huey-sqlite"].missing,
    ),
    Figure(
        name="lone.file_sql_p50",
        unit="ms",
        ours=lone_floors.insert_p50_ms,
        against=HUEY,
        floor=quantile_ms("huey-sqlite", enqueueing_s, 0.50),
        missing=BY_NAME["huey-sqlite"].missing,
    ),
    Figure(
        name="lone.post_beside_thread",
        unit="ms",
        ours=post_ms(0.50, computing),
        against="the same p50 while no handler computes",
        floor=post_ms(0.50, servers.service),
    ),
)

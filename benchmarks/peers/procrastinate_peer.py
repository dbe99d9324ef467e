"""Procrastinate, on PostgreSQL: 30 jobs at once in each worker; jobs that are done are kept.

Its manual advises a periodic task that takes back the jobs of workers that died; here it runs every
five seconds, and a worker counts as dead after five.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import procrastinate
from procrastinate import JobContext, PsycopgConnector
from procrastinate.types import JSONDict

from benchmarks.peers import ledger
from benchmarks.peers.peer import address

CONCURRENCY = 30
POLL_S = "1"  # for what its notices miss, instead of 5
POOL = 8
SILENT_S = 5

app = procrastinate.App(
    connector=PsycopgConnector(conninfo=address(), min_size=1, max_size=POOL),
    worker_defaults={"update_heartbeat_interval": 1.0, "stalled_worker_timeout": float(SILENT_S)},
)


@app.task(name="note")
async def note(number: int) -> None:
    """Do the work."""
    ledger.note(number)


@app.periodic(cron="* * * * * */5")
@app.task(name="take_back", queueing_lock="take_back", pass_context=True)
async def take_back(context: JobContext, timestamp: int) -> None:
    """Retry the jobs of workers that died."""
    jobs = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=SILENT_S)
    for job in jobs:
        await app.job_manager.retry_job(job)


async def install() -> None:
    """Make its tables."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


def worker(_: int) -> Sequence[str]:
    """Return the command of its manual."""
    program = (sys.executable, "-m", "procrastinate", f"--app={__name__}.app")
    size = ("--concurrency", str(CONCURRENCY), "--fetch-job-polling-interval", POLL_S)
    return (*program, "--log-level", "error", "worker", *size)


class ProcrastinateProducer:
    """Defers jobs."""

    async def enqueue(self, number: int) -> None:
        """Defer one job."""
        await note.defer_async(number=number)

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Defer them in one statement."""
        jobs: list[JSONDict] = [{"number": number} for number in numbers]
        await note.batch_defer_async(*jobs)

    async def finished(self) -> int:
        """Return how many have succeeded."""
        row = await app.connector.execute_query_one_async(
            "SELECT count(*) AS jobs FROM procrastinate_jobs"
            " WHERE status = 'succeeded' AND task_name = 'note'"
        )
        jobs: int = row["jobs"]
        return jobs


@asynccontextmanager
async def producing() -> AsyncIterator[ProcrastinateProducer]:
    """Open its pool of connections."""
    async with app.open_async():
        yield ProcrastinateProducer()

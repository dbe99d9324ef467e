"""What a service costs before it does anything: its start, and its memory."""

import asyncio
import atexit
import os
import shutil
import statistics
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from time import perf_counter

from benchmarks.harness import Figure, Measure, on_loop
from benchmarks.memory import resident_mb
from benchmarks.results import Target
from taskqueue.testing.process import ServiceProcess

# A server that answers every request with 202, once it listens.
BARE = """\
import asyncio
from aiohttp import web

async def main():
    async def answer(request):
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/tasks", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


# structlog imports these where it finds them; the benchmarks have them, a service needs neither.
ABSENT = """\
import sys

sys.modules.update(rich=None, greenlet=None)
"""


@cache
def installed() -> dict[str, str]:
    """Return the variables that make a process like one of an installation of its own.

    Its modules are compiled once, and what only the development of taskqueue needs is not there.
    """
    folder = tempfile.mkdtemp(prefix="taskqueue-installed-")
    atexit.register(shutil.rmtree, folder)
    Path(folder, "sitecustomize.py").write_text(ABSENT)
    path = os.pathsep.join((folder, *filter(None, sys.path)))
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder, "PYTHONPATH": path}


@asynccontextmanager
async def bare_server() -> AsyncIterator[int]:
    """Run a bare aiohttp server in a process of its own; give its id once it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BARE, stdout=PIPE, env=os.environ | installed()
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        await process.communicate()


# --- its start ------------------------------------------------------------------------------------


async def _start_ms(folder: Path) -> float:
    began = perf_counter()
    async with ServiceProcess(folder, env=installed()) as service:
        took = perf_counter() - began
        await service.stop()
    return took * 1e3


async def _bare_start_ms(_: Path) -> float:
    began = perf_counter()
    async with bare_server():
        return (perf_counter() - began) * 1e3


def starts(*, bare: bool = False, fresh: bool = False) -> Measure:
    """Return the median from starting the process to `service_ready`, in ms.

    `bare`: of a server that does nothing. `fresh`: each time the database has to be made. Not
    counted is a first start, in which modules are compiled and the database is made.
    """
    start_ms = _bare_start_ms if bare else _start_ms

    @on_loop
    async def measured(seconds: float) -> float:
        with tempfile.TemporaryDirectory() as temporary:
            folders = (Path(temporary) / str(number) for number in range(1_000_000))
            folder = next(folders)
            folder.mkdir()
            await start_ms(folder)
            found: list[float] = []
            ends_at = perf_counter() + seconds
            while not found or perf_counter() < ends_at:
                if fresh:
                    folder = next(folders)
                    folder.mkdir()
                found.append(await start_ms(folder))
            return statistics.median(found)

    return measured


# --- its memory -----------------------------------------------------------------------------------


def memory(*arguments: str) -> Measure:
    """Return the resident memory of a service that is ready, in MB."""

    @on_loop
    async def measured(_: float) -> float:
        with tempfile.TemporaryDirectory() as folder:
            async with ServiceProcess(Path(folder), *arguments, env=installed()) as service:
                found = resident_mb(service.pid)
                await service.stop()
        return found

    return measured


@on_loop
async def bare_memory(_: float) -> float:
    """Return the resident memory of a bare server that listens, in MB."""
    async with bare_server() as pid:
        return resident_mb(pid)


FIGURES = (
    Figure(
        name="service.start",
        unit="ms",
        ours=starts(),
        against="a bare aiohttp server that listens",
        floor=starts(bare=True, fresh=True),
        target=Target("ours", "≤", 800),
    ),
    Figure(
        name="service.start_fresh",
        unit="ms",
        ours=starts(fresh=True),
        against="a bare aiohttp server that listens",
        floor=starts(bare=True, fresh=True),
        target=Target("ours", "≤", 800),
    ),
    Figure(
        name="service.memory",
        unit="MB",
        ours=memory(),
        against="a bare aiohttp server that listens",
        floor=bare_memory,
        target=Target("ours", "≤", 70),
    ),
    Figure(
        name="service.memory_processes",
        unit="MB",
        ours=memory("--app", "benchmarks.processes_app:app"),
        against="a bare aiohttp server that listens",
        floor=bare_memory,
        target=Target("ours", "≤", 70),
    ),
)

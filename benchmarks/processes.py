"""What it costs to have a handler run in a process of its own."""

import asyncio
from functools import cache
from time import perf_counter

from benchmarks import processes_floors as floors
from benchmarks.harness import Figure, Measure, on_loop
from benchmarks.results import Target
from benchmarks.running import running
from taskqueue import App
from taskqueue.api.loading import load_app
from taskqueue.executors.attempt import Call, call_of
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.rules.tasks import Task
from taskqueue.testing.claims import claimed

PROCESSES = 2
IN_FLIGHT = 100  # enqueued at a time, through the service


@cache
def the_app() -> App:
    """Return the app, by the name under which the fork server finds it too."""
    return load_app("benchmarks.processes_app:app")


def task(action: str = "no_op") -> Task:
    """Return a task as a consumer gets it."""
    return claimed(the_app().prepare(action, b"{}"))


def calls(action: str, processes: int) -> Measure:
    """Return how many attempts per second an executor makes, a call for each of its processes."""

    @on_loop
    async def measured(seconds: float) -> float:
        call = call_of(the_app(), task(action), None)
        assert isinstance(call, Call)
        executor = ProcessExecutor(the_app(), processes)
        done = 0

        async def call_until(ends_at: float) -> None:
            nonlocal done
            while True:
                await executor.run(call.handler, call.context, call.kwargs)
                done += 1
                if perf_counter() >= ends_at:
                    return

        async def call_in_all(seconds: float) -> float:
            began = perf_counter()
            await asyncio.gather(*(call_until(began + seconds) for _ in range(processes)))
            return perf_counter() - began

        try:
            await call_in_all(0)  # starts them
            done = 0
            took = await call_in_all(seconds)
        finally:
            executor.close()
        return done / took

    return measured


@on_loop
async def through_the_service(seconds: float) -> float:
    """Return whole lives of tasks per second: accepted, claimed, run in a process, settled.

    The next ones are enqueued while as many are still on their way: it is seen only at intervals
    that all have ended, and until then nobody would have anything to do.
    """
    app, enqueued = the_app(), 0
    async with running(app) as service:

        async def enqueue_some() -> None:
            nonlocal enqueued
            await asyncio.gather(
                *(service.queue.enqueue([app.prepare("no_op", b"{}")]) for _ in range(IN_FLIGHT))
            )
            enqueued += IN_FLIGHT

        await enqueue_some()  # starts the processes
        await service.ended(enqueued)
        began = perf_counter()
        while perf_counter() - began < seconds:
            await enqueue_some()
            await service.ended(enqueued - IN_FLIGHT)
        await service.ended(enqueued)
        return (enqueued - IN_FLIGHT) / (perf_counter() - began)


FIGURES = (
    Figure(
        name="processes.no_op",
        unit="/s",
        ours=calls("no_op", PROCESSES),
        against="bare pipes to as many forked children",
        floor=floors.bare_pipes(task(), PROCESSES),
        target=Target("ratio", "≥", 0.60),
    ),
    Figure(
        name="processes.no_op_on_loop",
        unit="/s",
        ours=calls("no_op", PROCESSES),
        against="the same on an asyncio loop",
        floor=floors.pipes_on_a_loop(task(), PROCESSES),
    ),
    Figure(
        name="processes.no_op_pickled",
        unit="/s",
        ours=calls("no_op", 1),
        against="a multiprocessing.Pipe, task and outcome pickled",
        floor=floors.pickled(task()),
    ),
    Figure(
        name="processes.async_no_op",
        unit="/s",
        ours=calls("async_no_op", PROCESSES),
        against="bare pipes to as many forked children",
        floor=floors.bare_pipes(task(), PROCESSES),
    ),
    Figure(
        name="processes.service",
        unit="/s",
        ours=through_the_service,
        against="bare pipes, and nothing kept",
        floor=floors.bare_pipes(task(), PROCESSES),
    ),
)

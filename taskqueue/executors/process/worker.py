"""A worker's life as the service sees it: one task after the other, and an end."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from taskqueue.channel import Channel
from taskqueue.errors import ActorError, StatementRefused, StorageUnavailable
from taskqueue.executors.process import kernel
from taskqueue.executors.process.endings import ending
from taskqueue.executors.process.frames import BadFrame, Pipe
from taskqueue.executors.process.messages import (
    Done,
    Ended,
    FromWorker,
    Progressed,
    Rehearse,
    Rehearsed,
    Run,
)
from taskqueue.tasks import Crashed, Outcome, Statement, Task, TimedOut

log = structlog.get_logger()

# How long each step may take before the next, harder one.
LAST_WORDS_S = 1.0  # what a process has sent before its end is read
RETIRE_S = 2.0  # an idle worker ends by itself
KILL_S = 1.0  # the fork server kills


class Worker:
    """One process. It is `spent` once it cannot take another task."""

    def __init__(self, pid: int, pipe: Pipe[FromWorker], kill: Callable[[int], None]) -> None:
        self.pid = pid
        self.tasks = 0
        self.memory_mb: float | None = None  # as of its last task
        self.spent = False
        self._pipe = pipe
        self._kill = kill
        self._busy = False
        self._ended: asyncio.Future[Ended | None] = asyncio.get_running_loop().create_future()

    def over(self, ended: Ended | None) -> None:
        """Hear that the process has ended; None: together with its fork server."""
        self.spent = True
        self._ended.set_result(ended)
        if not self._busy:
            self._pipe.close()

    def abandon(self) -> None:
        """Let an idle process end."""
        self.spent = True
        self._pipe.close()

    async def run(self, task: Task, channel: Channel, *, timeout_s: float | None) -> Outcome:
        """Have the process make this attempt, and return what came of it.

        What the handler says and asks meanwhile goes through `channel`.

        A process that runs past `timeout_s`, or whose caller is cancelled, is killed at once with
        all that it started, and has ended when this returns or raises: there is nothing that a
        handler could do with a warning which it could not do in time.

        Raises:
            CancelledError: the caller was cancelled.
        """
        self._busy = True
        began = asyncio.get_running_loop().time()
        asking = asyncio.create_task(self._converse(task, channel))
        try:
            if not await _come(asking, self._ended, within_s=timeout_s):
                assert timeout_s is not None  # noqa: S101 - only a limit ends the wait without either
                await self.kill(f"past its limit of {timeout_s:g} s")
                return TimedOut(after_s=timeout_s)
            await _come(asking, within_s=LAST_WORDS_S)
            if asking.done() and (done := asking.result()) is not None:
                return await self._outcome_of(done)
            # Mostly its end; but it may have closed its pipe, and live.
            if not await _come(self._ended, within_s=LAST_WORDS_S):
                await self.kill("closed its pipe")
            self.spent = True
            return Crashed(error=ending(self._seen_end(), after_s=_since(began)))
        except asyncio.CancelledError:
            await self.kill("cancelled")
            raise
        finally:
            await _cancelled(asking)
            self._busy = False
            if self.spent:
                self._pipe.close()

    async def retire(self) -> None:
        """Have an idle process end, by force if need be; return when it has."""
        self.abandon()
        if not await _come(self._ended, within_s=RETIRE_S):
            await self.kill("did not retire")

    async def kill(self, why: str) -> None:
        """Kill the process and its group; it has ended when this returns, if it can be killed."""
        self.spent = True
        if self._ended.done():
            return
        log.warning("worker_killed", pid=self.pid, why=why)
        self._kill(self.pid)
        if not await _come(self._ended, within_s=KILL_S):
            # The fork server hangs. As it does not reap, the id is still that of our worker.
            kernel.kill_group(self.pid)

    async def _converse(self, task: Task, channel: Channel) -> Done | None:
        """Return how the attempt went; None if the process has no last word."""
        try:
            await self._pipe.send(Run(task=task))
            while True:
                match await self._pipe.receive():
                    case Progressed(progress=progress):
                        channel.report(progress)
                    case Rehearse(statements=statements, query=query):
                        await self._pipe.send(await _rehearsed(channel, statements, query))
                    case end:
                        return end
        except (OSError, BadFrame):
            return None

    async def _outcome_of(self, done: Done) -> Outcome:
        self.tasks += 1
        self.memory_mb = done.memory_mb
        if isinstance(done.outcome, Crashed):
            await self.kill("its handler raised what nobody survives")
        return done.outcome

    def _seen_end(self) -> Ended | None:
        return self._ended.result() if self._ended.done() else None


async def _rehearsed(
    channel: Channel, statements: tuple[Statement, ...], query: Statement
) -> Rehearsed:
    try:
        return Rehearsed(rows=await channel.rehearse(statements, query))
    except StatementRefused as error:
        return Rehearsed(refused=error.detail)
    except (StorageUnavailable, ActorError) as error:
        return Rehearsed(unavailable=str(error))


async def _come(*events: asyncio.Future[Any], within_s: float | None) -> bool:
    """Wait for the first of the events; return whether it came in time."""
    done, _ = await asyncio.wait(events, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


async def _cancelled(work: asyncio.Task[Done | None]) -> None:
    """Cancel and see that it is over, so that nobody reads from the pipe any more."""
    work.cancel()
    await asyncio.wait({work})


def _since(began: float) -> float:
    return asyncio.get_running_loop().time() - began

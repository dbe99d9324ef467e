"""A worker's life as the service sees it: one task after the other, and an end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from taskqueue.api.context import Context
from taskqueue.children import kernel
from taskqueue.children.messages import framed
from taskqueue.children.pipe import Pipe
from taskqueue.events import events
from taskqueue.executors.process.conversation import Conversation, End
from taskqueue.executors.process.endings import ending
from taskqueue.executors.process.messages import (
    Done,
    Ended,
    FromWorker,
    Located,
    Ready,
    Run,
)
from taskqueue.rules.running import NO_STACK, HandlerStack
from taskqueue.rules.tasks import Crashed, Outcome, TimedOut

# How long each step may take before the next, harder one.
LAST_WORDS_S = 1.0  # what a process has sent before its end is read
KILL_S = 1.0  # the fork server kills

MOST_ASKING = 100
"""How many wait for the stack of one handler; more are told at once that it is not known."""


class CannotStart(Exception):
    """No worker could be started; the text says why, in one line."""


class Worker:
    """One process. It is `spent` once it cannot take another task."""

    def __init__(
        self,
        pid: int,
        pipe: Pipe[FromWorker],
        *,
        kill: Callable[[int], None],
        locate: Callable[[int], None],
    ) -> None:
        self.pid = pid
        self.tasks = 0
        self.memory_mb: float | None = None  # as of its last task
        self.spent = False
        self._pipe = pipe
        self._kill = kill
        self._locate = locate
        self._task_id: str | None = None
        self._asking: list[Callable[[HandlerStack], None]] = []  # for its stack
        self._conversation: Conversation | None = None  # None: it is idle
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ended | None] = self._loop.create_future()
        self._ready: asyncio.Future[Ready] = self._loop.create_future()
        pipe.listen(self._hear, self._lose)

    async def ready(self, within_s: float) -> None:
        """Wait until it has opened the resources of its app.

        Raises:
            CannotStart: it could not, or took too long. It has been ended then.
        """
        try:
            is_in_time = await _come(self._ready, within_s=within_s)
        except asyncio.CancelledError:
            self.abandon()
            raise
        if not is_in_time:
            await self.kill("did not open its resources")
            raise CannotStart(f"resources not opened: still opening after {within_s:g} s")
        if (failure := self._ready.result().failure) is not None:
            self.abandon()
            raise CannotStart(failure)

    def over(self, ended: Ended | None) -> None:
        """Handle the end of the process; None: together with its fork server."""
        if not (self.spent or self._ready.done()):
            self._pipe.receive()  # it may have said why it could not start
        self.spent = True
        self._fail_to_be_ready()
        self._ended.set_result(ended)
        if self._conversation is None:
            self._pipe.close()
        else:
            # Mostly the end of the pipe comes first; but another process may still hold it.
            self._loop.call_later(LAST_WORDS_S, self._conversation.end, None)

    def abandon(self) -> None:
        """Let an idle process end."""
        self.spent = True
        self._pipe.close()

    def can_run(self) -> bool:
        """Return whether it takes another task; not if it has just been killed, as far as seen."""
        if not self.spent:
            self._pipe.receive()  # an idle process says nothing but that it has ended
        return not self.spent

    async def run(self, context: Context) -> Outcome:
        """Have the process make this attempt, and return what came of it.

        What the handler says and asks meanwhile goes through the handle of `context`.

        A process that runs past the limit of its attempt, or whose caller is cancelled, is killed
        at once with all that it started, and has ended when this returns or raises: there is
        nothing that a handler could do with a warning which it could not do in time.

        Raises:
            CancelledError: the caller was cancelled.
        """
        began = self._loop.time()
        conversation = Conversation(context.handle, self._pipe, timeout_s=context.limit_s)
        self._conversation, self._task_id = conversation, context.task.id
        try:
            run = Run(task=context.task, max_result_bytes=context.max_result_bytes)
            self._pipe.send(framed(run))
            return await self._outcome_of(await conversation.ended, began)
        except asyncio.CancelledError:
            await self.kill("cancelled")
            raise
        finally:
            conversation.stop()
            self._conversation = self._task_id = None
            self._answer_askers(NO_STACK)
            if self.spent:
                self._pipe.close()

    def locate(self, tell: Callable[[HandlerStack], None]) -> None:
        """Call `tell` on its loop once the stack of the handler is known; from any thread.

        A process that does not react, as in a call that holds the interpreter's lock, answers when
        it reacts again, or its attempt ends.
        """
        with suppress(RuntimeError):  # the loop is closed: its consumer is gone
            self._loop.call_soon_threadsafe(self._ask_stack, tell)

    def _ask_stack(self, tell: Callable[[HandlerStack], None]) -> None:
        if self._task_id is None or len(self._asking) >= MOST_ASKING:
            tell(NO_STACK)
            return
        self._asking.append(tell)
        if len(self._asking) == 1:
            self._locate(self.pid)

    def located(self, message: Located) -> None:
        """Receive the current stack of the handler of a task.

        It may be of the task before, or of none yet: then those who asked have to ask again.
        """
        self._answer_askers(message.stack if message.task_id == self._task_id else NO_STACK)

    def _answer_askers(self, stack: HandlerStack) -> None:
        asking, self._asking = self._asking, []
        for tell in asking:
            tell(stack)

    async def retire(self, within_s: float) -> None:
        """Have an idle process end, by force if need be; return when it has."""
        self.abandon()
        if not await _come(self._ended, within_s=within_s):
            await self.kill("did not retire")

    async def kill(self, why: str) -> None:
        """Kill the process and its group; it has ended when this returns, if it can be killed."""
        self.spent = True
        if self._ended.done():
            return
        events.warning("worker_killed", pid=self.pid, why=why)
        self._kill(self.pid)
        if not await _come(self._ended, within_s=KILL_S):
            # The fork server hangs. As it does not reap, the id is still that of our worker.
            kernel.kill_group(self.pid)

    def _fail_to_be_ready(self) -> None:
        if not self._ready.done():
            self._ready.set_result(Ready(failure="the process ended while it started"))

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, Ready) and not self._ready.done():
            self._ready.set_result(message)
        elif self._conversation is None or isinstance(message, Ready):
            self._lose()  # it was asked nothing: another process wrote this
        else:
            self._conversation.hear(message)

    def _lose(self) -> None:
        self.spent = True
        self._fail_to_be_ready()
        if self._conversation is None or self._conversation.ended.done():
            self._kill(self.pid)  # of no use any more, if it lives
        else:
            self._conversation.end(None)

    async def _outcome_of(self, end: End, began: float) -> Outcome:
        match end:
            case Done(outcome=outcome, memory_mb=memory_mb, is_last=is_last):
                self.tasks += 1
                self.memory_mb = memory_mb
                self.spent = self.spent or is_last
                if isinstance(outcome, Crashed):
                    await self.kill("its handler raised what no process survives")
                return outcome
            case TimedOut(after_s=after_s):
                await self.kill(f"past its limit of {after_s:g} s")
                return end
            case None:
                # Mostly its end; but it may have closed its pipe, and live.
                if not await _come(self._ended, within_s=LAST_WORDS_S):
                    await self.kill("closed its pipe")
                self.spent = True
                return Crashed(error=ending(self._seen_end(), after_s=self._loop.time() - began))

    def _seen_end(self) -> Ended | None:
        return self._ended.result() if self._ended.done() else None


async def _come(event: asyncio.Future[Any], within_s: float) -> bool:
    """Wait for an event; return whether it came in time."""
    await asyncio.wait({event}, timeout=within_s)
    return event.done()

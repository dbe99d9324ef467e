"""Runs handlers in worker processes that are kept, replaced and, if need be, killed."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from taskqueue.api.app import App
from taskqueue.api.context import Context
from taskqueue.api.handler import Handler
from taskqueue.errors import ConfigError, Fault
from taskqueue.events import events
from taskqueue.executors.lines import Frames
from taskqueue.executors.process.server import ForkServer
from taskqueue.executors.process.worker import CannotStart, Worker
from taskqueue.executors.resources import CLOSE_S
from taskqueue.process.hidden_tasks import hidden_task
from taskqueue.rules.recycling import ProcessPolicy, is_worn
from taskqueue.rules.running import NO_STACK, HandlerStack
from taskqueue.rules.tasks import Outcome, Snoozed

# When a task is tried again for which no process could be started. That is not the task's fault.
START_RETRY_S = 5.0

# How long an idle worker may take to end by itself, its resources apart.
RETIRE_S = 2.0


class ProcessExecutor:
    """Runs each handler in a process, and keeps up to `slots` of them for the next ones.

    Belongs to the loop it is used on. Nothing is started before the first handler. Whatever happens
    to a process happens to the one task it works on: that task has `Crashed`, and the next one gets
    another process.

    Raises:
        ConfigError: the app has handlers for processes, but these could not import it.
    """

    def __init__(self, app: App, slots: int, policy: ProcessPolicy | None = None) -> None:
        if app.needs_processes and app.reference is None:
            raise ConfigError((Fault("app", _NOT_IMPORTABLE),))
        self._app = app.reference or ""
        self._folder = app.folder
        self._policy = policy or ProcessPolicy()
        self._has_resources = app.open_resources is not None
        self._retire_s = RETIRE_S + CLOSE_S if self._has_resources else RETIRE_S
        self._server: ForkServer | None = None
        self._starting = asyncio.Lock()
        self._closed = False
        self._chores: set[asyncio.Task[None]] = set()
        self._running: dict[str, Worker] = {}  # by the id of the task
        # Each slot with its process, if it has one. The last one used is used first.
        self._free: asyncio.LifoQueue[Worker | None] = asyncio.LifoQueue()
        for _ in range(slots):
            self._free.put_nowait(None)
        self._slots = slots
        self._surplus = 0  # how many of those that are busy are too many

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes in which handlers run, or will."""
        return () if self._server is None else self._server.pids

    async def run(self, handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> Outcome:
        """Have a process make the attempt; see `Executor.run`.

        The process binds the data itself, so `kwargs` stay here. A cancelled handler is killed. If
        no process can be started, the task comes back later with its attempt returned.
        """
        worker = await self._free.get()
        try:
            if worker is None or not worker.can_run():
                worker = await self._start()
            self._running[context.task.id] = worker
            return await worker.run(context)
        except CannotStart as error:
            self._complain(error)
            return Snoozed(delay_s=START_RETRY_S)
        finally:
            self._running.pop(context.task.id, None)
            self._free_slot_of(worker)

    def resize(self, slots: int) -> None:
        """Run up to so many processes. Those that are too many end when they are idle."""
        fewer, self._slots = self._slots - slots, slots
        for _ in range(-fewer):
            self._put(None)
        self._surplus += max(0, fewer)
        while self._surplus and not self._free.empty():
            self._surplus -= 1
            self._let_go(self._free.get_nowait())

    def locate(self, task_id: str, _: Frames, tell: Callable[[HandlerStack], None]) -> None:
        """Ask the process for the stack of its handler; see `Executor.locate`."""
        worker = self._running.get(task_id)
        if worker is None:
            tell(NO_STACK)
        else:
            worker.locate(tell)

    async def retire(self) -> None:
        """Let the idle processes of an app with resources end by themselves, which closes those."""
        self._closed = True
        idle = [self._free.get_nowait() for _ in range(self._free.qsize())]
        if self._has_resources:
            retiring = (each.retire(self._retire_s) for each in idle if each is not None)
            await asyncio.gather(*retiring)

    def close(self) -> None:
        """Kill all processes, without waiting for them; harmless when repeated."""
        self._closed = True
        if self._server is not None:
            self._server.close()

    def _free_slot_of(self, worker: Worker | None) -> None:
        if worker is None or worker.spent:
            self._put(None)
        elif is_worn(self._policy, tasks=worker.tasks, memory_mb=worker.memory_mb):
            self._do(self._replace(worker))
        else:
            self._put(worker)

    def _put(self, worker: Worker | None) -> None:
        """Have a slot free again, unless there are too many."""
        if self._surplus:
            self._surplus -= 1
            self._let_go(worker)
        else:
            self._free.put_nowait(worker)

    def _let_go(self, worker: Worker | None) -> None:
        if worker is not None:
            self._do(worker.retire(self._retire_s))

    async def _replace(self, worn: Worker) -> None:
        """Retire a worker once its successor is there; without one it goes on."""
        try:
            successor = await self._start()
        except CannotStart as error:
            self._complain(error)
            self._put(worn)
            return
        self._put(successor)
        events.info(
            "worker_recycled",
            pid=worn.pid,
            tasks=worn.tasks,
            memory_mb=worn.memory_mb,
            successor=successor.pid,
        )
        await worn.retire(self._retire_s)

    async def _start(self) -> Worker:
        async with self._starting:
            if self._closed:
                raise CannotStart("the consumer has ended")
            if self._server is None or self._server.gone:
                self._server = ForkServer(self._app, self._folder, self._policy.start_s)
                await self._server.prepared()
        worker = await self._server.fork()
        await worker.ready(self._policy.start_s)
        return worker

    def _complain(self, error: CannotStart) -> None:
        if not self._closed:
            events.warning("worker_start_failed", reason=str(error))

    def _do(self, chore: Coroutine[Any, Any, None]) -> None:
        task = hidden_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


_NOT_IMPORTABLE = (
    'a handler with executor="process" is found by the app\'s name, and this app has none; '
    "load it with --app package.module:app (in a program of yours: Service('package.module:app'), "
    "in a test: taskqueue.api.loading.load_app)"
)

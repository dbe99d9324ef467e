"""The executors of one consumer: one of each kind, each for as many handlers as it has slots."""

from collections.abc import Mapping

from taskqueue.api.app import App
from taskqueue.api.handler import ExecutorKind
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.executors.protocol import Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.executors.unfinished import unfinished
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.tasks import Task


class Executors:
    """The executors of a consumer, by kind."""

    def __init__(self, app: App, slots: int, policy: ProcessPolicy, *, name: str) -> None:
        """Make them for a consumer of this name; nothing is started yet."""
        self._processes = ProcessExecutor(app, slots, policy)
        self.by_kind: Mapping[ExecutorKind, Executor] = {
            ExecutorKind.LOOP: LoopExecutor(),
            ExecutorKind.THREAD: ThreadExecutor(slots, name=f"{name}-handler"),
            ExecutorKind.PROCESS: self._processes,
        }

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes, busy or not."""
        return self._processes.pids

    def runs_on(self, task: Task) -> bool:
        """Return whether the handler of a task with limits outlives its attempt.

        A thread does if middleware returns without waiting for it. The task keeps its slots until
        the handler ends.
        """
        return unfinished.includes(task)

    def resize(self, slots: int) -> None:
        """Prepare for this number of concurrent handlers. Running ones are not interrupted."""
        for executor in self.by_kind.values():
            executor.resize(slots)

    async def retire(self) -> None:
        """Let idle worker processes end normally, which closes their resources."""
        await self._processes.retire()

    def close(self) -> None:
        """Release all threads and processes, without waiting for them."""
        for executor in self.by_kind.values():
            executor.close()

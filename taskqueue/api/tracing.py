"""How the tasks of an app are traced: with spans, or by passing their traces on."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from msgspec.structs import replace

from taskqueue.rules.tasks import NewTask, Task
from taskqueue.traces import current_traceparent


class Tracing(Protocol):
    """Makes the spans of an app's tasks."""

    def sending(
        self, tasks: Sequence[NewTask], parent: str | None
    ) -> AbstractContextManager[str | None]:
        """Give the `traceparent` of tasks while they are enqueued; `parent` is that before them."""
        ...

    def attempting(self, task: Task) -> AbstractContextManager[str | None]:
        """Give the `traceparent` of an attempt while its handler runs in this context."""
        ...


@contextmanager
def traced(
    tracing: Tracing | None, tasks: Sequence[NewTask], parent: str | None
) -> Iterator[tuple[NewTask, ...]]:
    """Give these tasks, each with its trace, while they are enqueued.

    `parent` is the `traceparent` of what enqueues them; None: it is part of no trace.
    """
    if tracing is None:
        yield _with_trace(tasks, parent)
    else:
        with tracing.sending(tasks, parent) as traceparent:
            yield _with_trace(tasks, traceparent)


def traced_here(
    tracing: Tracing | None, tasks: tuple[NewTask, ...]
) -> AbstractContextManager[tuple[NewTask, ...]]:
    """Do the same for prepared tasks, which have the trace of the code that has prepared them."""
    if tracing is None or not tasks:
        return nullcontext(tasks)
    return traced(tracing, tasks, current_traceparent() or tasks[0].traceparent)


def _with_trace(tasks: Sequence[NewTask], traceparent: str | None) -> tuple[NewTask, ...]:
    return tuple(
        task if task.traceparent == traceparent else replace(task, traceparent=traceparent)
        for task in tasks
    )

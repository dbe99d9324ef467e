"""Statistics and traces of a living actor, for debugging. Source: OTP `sys`.

    async with traced(ref) as trace:
        await asyncio.sleep(60)
    print(trace.statistics(), trace.events)

An actor that is not traced has no overhead.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from types import CoroutineType
from typing import Any

from taskqueue.foreign.inspection import name_of, shape_of
from taskqueue.runtime.debugging import ask_system
from taskqueue.runtime.mailbox import SystemMail
from taskqueue.runtime.messages import Handler, Handlers, Message, Request
from taskqueue.runtime.ref import ActorRef


class Traced(Message):
    """One message that was handled."""

    at: float  # when that began, in seconds of the monotonic clock
    message: str  # its type and those of its fields, not what they held
    took_s: float
    error: str | None  # the type of what the handler raised


class Figures(Message):
    """The messages of one type that were handled."""

    handled: int = 0
    failed: int = 0  # of those, how many ended in an error
    total_s: float = 0.0
    longest_s: float = 0.0


class Trace:
    """The messages that an actor has handled while traced. It may be read at any time."""

    def __init__(self, size: int) -> None:
        self.events: deque[Traced] = deque(maxlen=size)
        self._figures: dict[str, Figures] = {}

    def statistics(self) -> dict[str, Figures]:
        """Return the figures by type of message."""
        return dict(self._figures)

    def note(self, kind: str, event: Traced) -> None:
        """Add a message that was handled."""
        self.events.append(event)
        before = self._figures.get(kind, Figures())
        self._figures[kind] = Figures(
            handled=before.handled + 1,
            failed=before.failed + (event.error is not None),
            total_s=before.total_s + event.took_s,
            longest_s=max(before.longest_s, event.took_s),
        )


class AddTrace(Request[None]):
    """Begin to trace."""

    trace: Trace


class RemoveTrace(Message):
    """Stop tracing."""

    trace: Trace


@asynccontextmanager
async def traced(ref: ActorRef, *, size: int = 1000) -> AsyncIterator[Trace]:
    """Trace an actor; keep the last `size` messages.

    Raises:
        ActorUnavailable: it has ended.
        AskTimeout: it is busy with another message, so the trace has not begun.
    """
    trace = Trace(size)
    await ask_system(ref, AddTrace(trace=trace))
    try:
        yield trace
    finally:
        ref.actor_inbox.put(SystemMail(RemoveTrace(trace=trace)))


@dataclass(frozen=True, slots=True)
class _Recorder:
    traces: tuple[Trace, ...]

    def wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return a traced version of a handler."""

        async def handle(actor: object, message: object) -> object:
            began, error = monotonic(), None
            try:
                answer = method(actor, message)
                return await answer if type(answer) is CoroutineType else answer
            except BaseException as raised:
                error = name_of(type(raised))
                raise
            finally:
                self._note(message, began, error)

        return handle

    def _note(self, message: object, began: float, error: str | None) -> None:
        took_s, shape = monotonic() - began, shape_of(message)
        event = Traced(at=began, message=shape, took_s=took_s, error=error)
        for trace in self.traces:
            trace.note(name_of(type(message)), event)


class TracedHandlers(Handlers):
    """The handlers of one actor, each of them traced."""

    def __init__(self, handlers: Handlers, traces: Iterable[Trace]) -> None:
        super().__init__((), handlers[object])
        self._plain, self._recorder = handlers, _Recorder(tuple(traces))

    def __missing__(self, kind: type) -> Handler:
        """Return the handler of this type, traced."""
        method, handling = self._plain[kind]
        if kind in (AddTrace, RemoveTrace):
            return method, handling
        handler = self[kind] = self._recorder.wrap(method), handling
        return handler

"""An event loop with a cheaper `call_soon`.

Every step of a task and every callback of a future goes through `call_soon`. asyncio's checks three
times, in function calls, whether the loop is in debug mode, which costs more than many a callback.
And it wakes the loop for each call from another thread, even if a wake-up is already pending.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")


def is_quiet(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether the running loop has no callbacks waiting; False if that is unknown."""
    return not getattr(loop, "_ready", True)


class QuickLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop with a cheaper `call_soon`, unless it is in debug mode."""

    _is_waking = False  # a wake-up from another thread is pending

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call it in the next turn; see `asyncio.loop.call_soon`."""
        if self._debug or self._closed:  # type: ignore[attr-defined]  # typeshed leaves them out
            return super().call_soon(callback, *args, context=context)
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]  # likewise
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call it in the next turn; see `asyncio.loop.call_soon_threadsafe`.

        Calls that arrive before the loop has woken up share one wake-up.
        """
        if self._debug or self._closed:  # type: ignore[attr-defined]
            return super().call_soon_threadsafe(callback, *args, context=context)
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        if not self._is_waking:
            self._is_waking = True
            self._write_to_self()  # type: ignore[attr-defined]
        return handle

    def _read_from_self(self) -> None:
        super()._read_from_self()  # type: ignore[misc]
        # After that, or a wake-up in between would be taken for one that is still to come. Calls
        # that were not worth one are queued by now, and the loop looks there before it sleeps.
        self._is_waking = False


class _Handle(asyncio.Handle):
    """A handle that knows that its loop is not in debug mode."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None

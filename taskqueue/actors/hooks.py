"""Calls the app's hooks on a thread of their own, where they delay nothing and fail no task."""

import asyncio
from contextlib import suppress
from typing import NoReturn

from taskqueue.api.hooks import Hook, HookCall, Hooks
from taskqueue.clock import Clock, SystemClock
from taskqueue.executors.eager import eagerly
from taskqueue.foreign import rendering
from taskqueue.runtime import Actor
from taskqueue.runtime.cancellation import is_being_cancelled
from taskqueue.throttle import ThrottledLog

HOOK_S = 5.0
"""How long one call may take."""

MOST_AT_ONCE = 10

STOP_S = 1.0
"""How long the calls that wait may take when the service stops."""


class HooksActor(Actor):
    """Takes what has happened from a bounded buffer, and calls hooks for it."""

    registered_name = "hooks"
    trap_exit = True
    dedicated_host = True

    def __init__(self, hooks: Hooks, clock: Clock | None = None) -> None:
        super().__init__()
        self._hooks = hooks
        self._clock = clock or SystemClock()
        self._free = asyncio.Semaphore(MOST_AT_ONCE)
        self._calls: set[asyncio.Task[None]] = set()
        self._failures = ThrottledLog("hook_failed", self._clock)

    def on_start(self) -> None:
        """Begin with what waits."""
        self.start_task(self._call_all())

    async def on_stop(self) -> None:
        """Make the calls that wait, for a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                for call in self._hooks.calls.take():
                    await self._begin(call)
                while self._calls:
                    await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.sleep(0)  # those that have waited begin

    async def _call_all(self) -> NoReturn:
        while True:
            for call in await self._hooks.calls.next():
                await self._begin(call)

    async def _begin(self, call: HookCall) -> None:
        await self._free.acquire()
        calling = self.start_task(self._call(call))
        self._calls.add(calling)
        calling.add_done_callback(self._over)

    def _over(self, calling: asyncio.Task[None]) -> None:
        self._calls.discard(calling)
        self._free.release()

    async def _call(self, call: HookCall) -> None:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(HOOK_S):
                failure = await eagerly(_failure_of(call), asyncio.get_running_loop())
        except TimeoutError:
            failure = _too_long()
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            failure = "cancelled itself"
        if failure is None and self._clock.monotonic() - began > HOOK_S:  # it has blocked
            failure = _too_long()
        if failure is not None:
            self._fail(call.hook, failure)

    def _fail(self, hook: Hook, reason: str) -> None:
        self._hooks.measures.failed += 1
        self._failures.warning(hook=rendering.text(_name_of(hook)), reason=reason)


async def _failure_of(call: HookCall) -> str | None:
    """Call a hook; return what it has raised, in one line."""
    try:
        await call.hook(call.event)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - user code may raise anything
        return rendering.error_line(error)
    return None


def _name_of(hook: Hook) -> object:
    return getattr(hook, "__qualname__", type(hook).__qualname__)


def _too_long() -> str:
    return f"took over {HOOK_S:g} s"

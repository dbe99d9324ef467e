"""The watch: sees what keeps a loop from turning, and says where that is in the code.

A handler that blocks stops only its own consumer, and one that computes in a thread slows everybody
down, because Python runs one thread at a time. Neither costs a lease, nor is it a fault that a
restart would fix, but an operator should know.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Final

import taskqueue
from taskqueue.actors.messages import CONSUMERS, WATCHDOG
from taskqueue.events import events
from taskqueue.runtime import Actor, ActorRef

PERIOD_S = 0.25
BLOCKED_S = 1.0  # report a loop that has been blocked for this long
LAGGED_S = 0.5  # report all loops once they lag by this much

_EXECUTORS: Final = str(Path(taskqueue.__file__).parent / "executors")
_HANDLER_THREAD: Final = "-handler-"


class _Pulse:
    """Whether the loop of one consumer turns."""

    def __init__(self) -> None:
        self.felt = True
        self.asked_at = 0.0
        self.told = False

    def feel(self) -> None:
        """Be called by the loop when it turns."""
        self.felt = True


class WatchdogActor(Actor):
    """Watches the loops of the consumers, and its own, which is that of everybody else."""

    registered_name = WATCHDOG

    def __init__(
        self,
        *,
        period_s: float = PERIOD_S,
        blocked_s: float = BLOCKED_S,
        lagged_s: float = LAGGED_S,
    ) -> None:
        super().__init__()
        self._period_s = period_s
        self._blocked_s = blocked_s
        self._lagged_s = lagged_s
        self._pulses: dict[ActorRef, _Pulse] = {}

    def on_start(self) -> None:
        """Begin."""
        self.start_task(self._keep_watching())

    async def _keep_watching(self) -> None:
        while True:
            self._look_at_consumers()
            due = monotonic() + self._period_s
            await asyncio.sleep(self._period_s)
            late_s = monotonic() - due
            if late_s >= self._lagged_s:
                where = list(_handlers_in_threads())
                events.warning("loop_lagged", late_s=round(late_s, 3), handlers=where)

    def _look_at_consumers(self) -> None:
        present = self.members(CONSUMERS)
        self._pulses = {each: self._pulses.get(each) or _Pulse() for each in present}
        for consumer, pulse in self._pulses.items():
            self._look_at(consumer, pulse)

    def _look_at(self, consumer: ActorRef, pulse: _Pulse) -> None:
        now = monotonic()
        for_s = round(now - pulse.asked_at, 3)
        if not pulse.felt:
            if for_s >= self._blocked_s and not pulse.told:
                pulse.told = True
                where = _where(consumer.cell.host.current_frame())
                events.warning(
                    "consumer_blocked", consumer=consumer.label, for_s=for_s, handler=where
                )
            return
        if pulse.told:
            events.info("consumer_unblocked", consumer=consumer.label, for_s=for_s)
        pulse.felt, pulse.told, pulse.asked_at = False, False, now
        consumer.cell.host.post(pulse.feel)


def _handlers_in_threads() -> Iterator[str]:
    """Yield where the handlers are that run in threads now."""
    frames = sys._current_frames()  # noqa: SLF001 - there is no other way to see another thread
    for thread in threading.enumerate():
        if _HANDLER_THREAD in thread.name and thread.ident is not None:
            where = _where(frames.get(thread.ident))
            if where is not None:
                yield where


def _where(frame: FrameType | None) -> str | None:
    """Return the line in the handler's own function at which a thread is; None outside of one."""
    below: FrameType | None = None
    while frame is not None:
        if frame.f_code.co_filename.startswith(_EXECUTORS):
            break
        below, frame = frame, frame.f_back
    if frame is None or below is None:
        return None
    return f"{below.f_code.co_filename}:{below.f_lineno} in {below.f_code.co_name}"

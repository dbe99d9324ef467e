"""The watchdog: detects blocked event loops, and logs the line of the handler that blocks one.

A handler that blocks stops only its own consumer. One that computes in a thread slows down the
whole service, because Python runs one thread at a time. Neither loses a lease, and a restart would
fix neither, but an operator should know.
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
from taskqueue.clock import next_beat
from taskqueue.events import events
from taskqueue.executors.lines import stack_of_thread
from taskqueue.rules.measures import LoopMeasures
from taskqueue.rules.running import BlockedLoop
from taskqueue.runtime import Actor, ActorRef

PERIOD_S = 0.5
BLOCKED_S = 1.0  # report a loop that has been blocked for this long
LAGGED_S = 0.5  # report all loops once they lag by this much

_EXECUTORS: Final = str(Path(taskqueue.__file__).parent / "executors")
_HANDLER_THREAD: Final = "-handler-"


class _Heartbeat:
    """The last heartbeat sent to the loop of one consumer."""

    def __init__(self) -> None:
        self.answered = True
        self.sent_at = 0.0
        self.reported = False

    def answer(self) -> None:
        """Note that the loop runs; called on it."""
        self.answered = True


class WatchdogActor(Actor):
    """Watches the loops of the consumers, and its own, which all other actors share."""

    registered_name = WATCHDOG

    def __init__(
        self,
        *,
        period_s: float = PERIOD_S,
        blocked_s: float = BLOCKED_S,
        lagged_s: float = LAGGED_S,
        measures: LoopMeasures | None = None,
    ) -> None:
        super().__init__()
        self._measures = measures or LoopMeasures()
        self._period_s = period_s
        self._blocked_s = blocked_s
        self._lagged_s = lagged_s
        self._heartbeats: dict[ActorRef, _Heartbeat] = {}

    def on_start(self) -> None:
        """Begin."""
        self.start_task(self._keep_watching())

    async def _keep_watching(self) -> None:
        while True:
            self._look_at_consumers()
            due = next_beat(monotonic(), self._period_s)
            await asyncio.sleep(due - monotonic())
            late_s = monotonic() - due
            self._measures.lag.observe(late_s)
            if late_s >= self._lagged_s:
                where = list(_handlers_in_threads())
                events.warning("loop_lagged", late_s=round(late_s, 3), handlers=where)

    def _look_at_consumers(self) -> None:
        present = self.members(CONSUMERS)
        self._heartbeats = {each: self._heartbeats.get(each) or _Heartbeat() for each in present}
        for consumer, heartbeat in self._heartbeats.items():
            self._look_at(consumer, heartbeat)
        self._measures.blocked = {
            consumer.label: _blocked(consumer, heartbeat)
            for consumer, heartbeat in self._heartbeats.items()
            if heartbeat.reported
        }

    def _look_at(self, consumer: ActorRef, heartbeat: _Heartbeat) -> None:
        now = monotonic()
        for_s = round(now - heartbeat.sent_at, 3)
        is_waiting = consumer.cell.host.is_waiting()  # then it is not woken
        if not (heartbeat.answered or is_waiting):
            if for_s >= self._blocked_s and not heartbeat.reported:
                heartbeat.reported = True
                where = _where(consumer.cell.host.current_frame())
                events.warning(
                    "consumer_blocked", consumer=consumer.label, for_s=for_s, handler=where
                )
            return
        if heartbeat.reported:
            events.info("consumer_unblocked", consumer=consumer.label, for_s=for_s)
        heartbeat.answered, heartbeat.reported, heartbeat.sent_at = is_waiting, False, now
        if not is_waiting:
            consumer.cell.host.post(heartbeat.answer)


def _blocked(consumer: ActorRef, heartbeat: _Heartbeat) -> BlockedLoop:
    stack = stack_of_thread(consumer.cell.host.current_frame())
    return BlockedLoop(for_s=round(monotonic() - heartbeat.sent_at, 3), line=stack.line)


def _handlers_in_threads() -> Iterator[str]:
    """Yield the current lines of the handlers that run in threads."""
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

"""SIGTERM and SIGINT: the first one stops the service, the second hurries it, others kill it."""

import asyncio
import contextlib
import os
import selectors
import signal
from typing import Any

from taskqueue.events import events
from taskqueue.logs import pipeline as logs

_STOPS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Cancels a task at the first and at the second signal."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """Make it for the loop of `selector`."""
        self._selector = selector
        self._received = 0

    def cancel(self, task: "asyncio.Task[Any]") -> None:
        """Cancel `task` from now on, even if the parent or the app has blocked the signals.

        A child that a handler forks does not take part: its signals are its own, and it closes the
        connections of the service.
        """
        for number in _STOPS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number, task)
            # This one is called even while the loop waits for a reader of the log.
            signal.signal(number, lambda *_: logs.stop_waiting())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        os.register_at_fork(after_in_child=self._part)

    def _part(self) -> None:
        # What arrives in the child would be written to the loop of its parent, and so stop that.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for key in (self._selector.get_map() or {}).values():
            with contextlib.suppress(OSError):  # closed already, as one of ours
                os.close(key.fd)
        self._selector.close()

    def _on_signal(self, number: signal.Signals, task: "asyncio.Task[Any]") -> None:
        self._received += 1
        match self._received:
            case 1:
                events.info("signal_received", signal=number.name, means="drain and stop")
                task.cancel()
            case 2:
                events.warning(
                    "signal_received", signal=number.name, means="cut what runs, and stop"
                )
                # Not at once: two cancellations in one turn of the loop count as one.
                task.get_loop().call_soon(task.cancel)
            case _:
                events.warning("signal_received", signal=number.name, means="die at once")
                os.kill(os.getpid(), signal.SIGKILL)  # whatever hangs; nothing accepted is lost

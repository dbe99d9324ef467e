"""Timers: a message that is sent later."""

from functools import partial
from typing import Any

from taskqueue.runtime.asking import Target, tell
from taskqueue.runtime.cell import cell_of
from taskqueue.runtime.ref import ActorRef


class Timer:
    """A message that is still to be sent."""

    __slots__ = ("_right_to_end",)

    def __init__(self) -> None:
        # `list.pop` is atomic: the loop and any thread that cancels agree on which was first.
        self._right_to_end = [True]

    def cancel(self) -> bool:
        """Cancel the message. From any thread.

        Return False if it was already sent or cancelled.
        """
        try:
            self._right_to_end.pop()
        except IndexError:
            return False
        return True

    def fire(self, target: Target, message: Any) -> None:
        """Send the message, unless it was cancelled."""
        if self.cancel():
            tell(target, message)


def send_after(target: Target, message: Any, *, delay_s: float) -> Timer:
    """Send `message` to `target` after `delay_s` seconds. From any thread.

    The timer outlives the actor that set it. An address is looked up when the message is sent, so
    it goes to the actor that has the name at that time. As with `tell`, a message to an actor that
    has ended is dropped. Source: OTP `erlang:send_after/3`.
    """
    if delay_s < 0:
        raise ValueError(f"delay_s must not be negative, and is {delay_s}")
    system = cell_of(target).system if isinstance(target, ActorRef) else target.system
    loop, timer = system.main.loop, Timer()
    due_at = loop.time() + delay_s
    system.main.call(partial(loop.call_at, due_at, timer.fire, target, message))
    return timer

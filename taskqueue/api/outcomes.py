"""What a handler raises to say how its attempt shall end.

raise Retry(30)               again in 30 s; the attempt is used
raise Snooze(30)              again in 30 s; the attempt is returned
raise Reject("no such user")  dead letter now: trying again is pointless
raise Cancel("order gone")    cancelled: it is not needed any more

Subclasses may leave out `super().__init__` and set the attributes later: a verdict is read when the
handler has ended.
"""

from typing import TypeAlias

from taskqueue.foreign import conversion as plain
from taskqueue.foreign import rendering
from taskqueue.rules.options import MAX_DELAY_S


class Retry(Exception):
    """Try again in `after_s` seconds (None: after the usual backoff). Uses the attempt.

    Raises:
        ValueError: `after_s` is negative, no number, or more than 100 years.
    """

    after_s: float | None = None

    def __init__(self, after_s: float | None = None, reason: str = "asked for a retry") -> None:
        self.reason = str(reason)
        self.after_s = None if after_s is None else seconds("after_s", after_s)
        super().__init__(self.reason)


class Snooze(Exception):
    """Call again in `delay_s` seconds, as if this attempt had not been made.

    Raises:
        ValueError: `delay_s` is negative, no number, or more than 100 years.
    """

    def __init__(self, delay_s: float) -> None:
        self.delay_s = seconds("delay_s", delay_s)
        super().__init__(f"snoozed for {self.delay_s:g} s")


class Reject(Exception):
    """Dead-letter the task now: no attempt can succeed."""

    def __init__(self, reason: str) -> None:
        self.reason = str(reason)
        super().__init__(self.reason)


class Cancel(Exception):
    """End the task as cancelled: its work is not wanted any more."""

    def __init__(self, reason: str = "cancelled by its handler") -> None:
        self.reason = str(reason)
        super().__init__(self.reason)


Verdict: TypeAlias = Retry | Snooze | Reject | Cancel


def seconds(name: str, value: object) -> float:
    """Return the delay `name` in seconds, a real number of any type, as `float`.

    Raises:
        ValueError: it is negative, no number, or more than 100 years.
    """
    try:
        delay_s = plain.number(value)
    except ValueError:
        delay_s = -1.0
    if not 0 <= delay_s < MAX_DELAY_S:
        given = rendering.shown(value, most=100)
        raise ValueError(f"{name} must be a number of seconds, from 0 to 100 years, not {given}")
    return delay_s

"""What a handler raises to say how its attempt shall end.

    raise Retry(after_s=30)       again in 30 s; the attempt is used
    raise Snooze(delay_s=30)      again in 30 s; the attempt is returned
    raise Reject("no such user")  dead letter now: trying again is pointless
    raise Cancel("order gone")    cancelled: nobody wants it any more
"""

from math import isfinite


class Verdict(Exception):  # noqa: N818 - a decision of the handler, not an error
    """A handler's own decision about its attempt."""


class Retry(Verdict):
    """Try again in `after_s` seconds (None: after the usual backoff). Uses the attempt.

    Raises:
        ValueError: `after_s` is negative or not finite.
    """

    def __init__(self, reason: str = "asked for a retry", *, after_s: float | None = None) -> None:
        self.reason = reason
        self.after_s = None if after_s is None else _seconds("after_s", after_s)
        super().__init__(reason)


class Snooze(Verdict):
    """Call again in `delay_s` seconds, as if this attempt had not been made.

    Raises:
        ValueError: `delay_s` is negative or not finite.
    """

    def __init__(self, delay_s: float) -> None:
        self.delay_s = _seconds("delay_s", delay_s)
        super().__init__(f"snoozed for {delay_s:g} s")


class Reject(Verdict):
    """Dead-letter the task now: no attempt can succeed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Cancel(Verdict):
    """End the task as cancelled: its work is not wanted any more."""

    def __init__(self, reason: str = "cancelled by its handler") -> None:
        self.reason = reason
        super().__init__(reason)


def _seconds(name: str, value: float) -> float:
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {value}")
    return value

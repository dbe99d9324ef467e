"""How long an outage pauses before each try to recover: pure, for the database actor."""

import math

from taskqueue.structs import Struct


class Recovery(Struct):
    """The pauses between attempts to recover, in seconds.

    An outage that begins within `relapse_s` of the end of the last one goes on with its pauses: the
    probe works, and what is to be written does not.
    """

    first_s: float = 0.1
    factor: float = 2.0
    max_s: float = 5.0
    relapse_s: float = 10.0


class Pauses:
    """The pauses of one outage after another."""

    def __init__(self, recovery: Recovery) -> None:
        self._recovery = recovery
        self._next_s = recovery.first_s
        self._at_once = False
        self._over_at = -math.inf  # when the last outage was over

    def begin(self, *, at_once: bool, now: float) -> None:
        """Note that an outage begins; `at_once`: without a first pause, except in a relapse."""
        is_relapse = now - self._over_at <= self._recovery.relapse_s
        if not is_relapse:
            self._next_s = self._recovery.first_s
        self._at_once = at_once and not is_relapse

    def next_s(self) -> float:
        """Return how long to pause before the next try."""
        if self._at_once:
            self._at_once = False
            return 0.0
        pause_s = self._next_s
        self._next_s = min(pause_s * self._recovery.factor, self._recovery.max_s)
        return pause_s

    def end(self, *, now: float) -> None:
        """Note that the outage is over."""
        self._over_at = now

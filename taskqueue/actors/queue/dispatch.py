"""The dispatch buffer: the lease ledger, shared with the threads of the consumers."""

import threading
from types import TracebackType
from typing import Generic

from taskqueue.clock import Clock
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.leases.values import C, Taken
from taskqueue.rules.tasks import Delivery


class DispatchBuffer(Generic[C]):
    """Deliveries that consumers take, each on its own thread.

    There is no message, because a task may take less time than two messages. The queue actor uses
    the whole ledger under the lock:

        with dispatch as leases:
            actions = leases.finished(consumer, finished)
    """

    def __init__(self, leases: Leases[C], clock: Clock) -> None:
        """Share a ledger; `clock` gives the time at which a delivery is taken."""
        self._leases = leases
        self._clock = clock
        self._lock = threading.Lock()

    def __enter__(self) -> Leases[C]:
        self._lock.acquire()
        return self._leases

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def take(self, consumer: C, after: Delivery | None = None) -> Taken | None:
        """Take a delivery to run; None if there is none for this consumer.

        The delivery in `after` has just ended and passes its slots on, so the next in its chain
        comes first.
        """
        now, at = self._clock.now(), self._clock.monotonic()
        with self._lock:
            return self._leases.take(consumer, after=after, now=now, at=at)

    def shut(self) -> None:
        """Close the buffer: the queue actor ends, and its successor decides about the rest."""
        with self._lock:
            self._leases.is_shut = True

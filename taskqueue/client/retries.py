"""Which failures of a call are tried again, and when."""

import random
import time
from collections.abc import Callable

from taskqueue.client.call import Answer, NoAnswer
from taskqueue.errors import ServiceUnavailable

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 2.0


def wait_s(retry: int, *, asked_s: float | None, jitter: float) -> float:
    """Return how long to wait before the given retry (1 is the first), in seconds.

    Waits double up to two seconds. What the service asks for with `Retry-After` is the least.
    `jitter` in [0, 1) adds up to half, so that clients that failed together do not return together.

    >>> [wait_s(n, asked_s=None, jitter=0.0) for n in (1, 2, 9)]
    [0.05, 0.1, 2.0]
    """
    backoff_s = min(FIRST_WAIT_S * 2.0 ** min(retry - 1, 16), LONGEST_WAIT_S)
    return max(backoff_s * (1 + jitter / 2), asked_s or 0.0)


class Retries:
    """Decides after each failure of one call whether, and when, it is tried again."""

    def __init__(
        self,
        url: str,
        retry_s: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Begin; retries end `retry_s` seconds from now. `url` is named in the error."""
        self._url = url
        self._monotonic = monotonic
        self._jitter = jitter
        self._deadline = monotonic() + retry_s
        self._retry = 0

    def wait_s(self, failed: Answer | NoAnswer, *, is_repeatable: bool) -> float:
        """Return how long to wait before the call is tried again, in seconds.

        `is_repeatable` says whether it may be, although the service may have received it.

        Raises:
            ServiceUnavailable: it is not, because the time is up, or because the request may have
                arrived and must not be sent twice.
        """
        self._retry += 1
        asked_s = failed.retry_after_s if isinstance(failed, Answer) else None
        pause_s = wait_s(self._retry, asked_s=asked_s, jitter=self._jitter())
        is_ambiguous = isinstance(failed, NoAnswer) and failed.was_sent and not is_repeatable
        if is_ambiguous or self._monotonic() + pause_s > self._deadline:
            status = failed.status if isinstance(failed, Answer) else None
            raise ServiceUnavailable(self._url, failed.reason, status)
        return pause_s

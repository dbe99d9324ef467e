"""A limit of a service, for programs with threads."""

import time
from collections.abc import Iterator

from taskqueue.client import limit_calls as calls
from taskqueue.client.routes import Route
from taskqueue.client.views import LimitInfo, LimitKey
from taskqueue.client.waiting import TakePatience


class ClientLimit:
    """A limit in the service, known by its `name`. Safe to share among threads."""

    def __init__(self, route: Route, name: str) -> None:
        self._route = route
        self.name = name

    def __repr__(self) -> str:
        """Return the name, marked as a limit."""
        return f"<ClientLimit {self.name}>"

    def info(self) -> LimitInfo:
        """Return what the limit allows, and how much of it is used.

        Raises:
            CallRefused: there is no such limit.
        """
        return self._route.do(calls.page(self.name, None)).limit

    def by_key(self) -> Iterator[LimitKey]:
        """Yield the keys that are in use, one page after the other.

        Raises:
            CallRefused: there is no such limit.
        """
        cursor: str | None = None
        while True:
            page = self._route.do(calls.page(self.name, cursor))
            yield from page.keys
            cursor = page.next
            if cursor is None:
                return

    def change(
        self,
        *,
        running: int | None = None,
        starts: float | None = None,
        per_s: float | None = None,
        burst: float | None = None,
    ) -> LimitInfo:
        """Change what the limit allows, until it is changed again or reset; needs `admin`.

        These are all of its values: what is not given is any number, and `per_s` and `burst` are 1.
        The change outlives restarts and deploys. A limit that is not there is made.

        Raises:
            CallRefused: a value is out of its range; `faults` says which.
        """
        return self._route.do(
            calls.change(self.name, running=running, starts=starts, per_s=per_s, burst=burst)
        )

    def reset(self) -> None:
        """Have what the app declares hold again; needs `admin`.

        Raises:
            CallRefused: there is no such limit.
        """
        self._route.do(calls.reset(self.name))

    def take(
        self, cost: float = 1.0, *, key: str | None = None, timeout_s: float | None = None
    ) -> None:
        """Take starts for work that is no task, and wait until the rate allows it.

        Programs that wait have no place in line: the first to ask once the rate allows it is next.
        If an answer is lost, the starts may be taken twice.

        Args:
            cost: how many.
            key: under which key of the limit; None: the one without a key.
            timeout_s: the longest wait, in seconds; 0: not at all; None: as long as it takes.

        Raises:
            RateSpent: the rate does not allow it in time. Raised as soon as that is known.
            CallRefused: there is no such limit.
        """
        patience = TakePatience(self.name, timeout_s, time.monotonic)
        while (wait_s := self._route.do(calls.take(self.name, cost, key))) is not None:
            time.sleep(patience.pause_s(wait_s))

"""A group of tasks of a service, for programs with threads."""

import time
from collections.abc import Iterable

from taskqueue.client import enqueueing, group_calls
from taskqueue.client.enqueueing import AnyTask
from taskqueue.client.routes import Route
from taskqueue.client.views import GroupInfo
from taskqueue.client.waiting import slices
from taskqueue.errors import GroupWaitTimeout


class ClientGroup:
    """A group in the service, known by its `name`. It need not be there yet."""

    def __init__(self, route: Route, name: str) -> None:
        self._route = route
        self.name = name

    def __repr__(self) -> str:
        """Return the name, marked as a group."""
        return f"<ClientGroup {self.name!r}>"

    def status(self) -> GroupInfo:
        """Return how many of its tasks stand where, and what follows.

        Raises:
            GroupNotFound: it has no tasks, or not any more.
        """
        return self._route.do(group_calls.get(self.name))

    def wait(self, timeout_s: float | None = None) -> GroupInfo:
        """Return the group when it has ended: closed, and with it all of its tasks have ended.

        Raises:
            GroupWaitTimeout: it has not ended within `timeout_s` seconds; it may still be open.
            GroupNotFound: it has no tasks, or not any more.
        """
        for wait_s in slices(timeout_s, time.monotonic):
            group = self._route.do(group_calls.get(self.name, wait_s=wait_s))
            if group.ended:
                return group
        raise GroupWaitTimeout(self.name, timeout_s or 0.0)

    def close(self, *, then: AnyTask | None = None, tasks: Iterable[AnyTask] = ()) -> GroupInfo:
        """Close the group, so that it can end; durable when this returns.

        Nothing joins it any more, but what its own tasks enqueue. Closing it again with the same
        `then` changes nothing.

        Args:
            then: a task that is accepted in the commit that ends the last one: prepared, or a pair
                of an action's name and its arguments.
            tasks: the last ones, accepted in the same commit: one request, up to 10,000 and 1 MiB.

        Raises:
            InvalidTask: one of these tasks does not fit. Nothing has changed.
            CallRefused: it was closed with another `then`; or `tasks` are too many.
            GroupClosed: it was closed before, and some of `tasks` were not accepted then.
            ServiceUnavailable: the service could not be reached; it may have been closed.
        """
        last = [*map(enqueueing.body_of, tasks)]
        following = None if then is None else enqueueing.unkeyed(then)
        return self._route.do(group_calls.close(self.name, following, last))

    def cancel(self, reason: str | None = None) -> int:
        """Cancel all tasks of the group that have not ended; return how many.

        A group that is open takes more tasks all the same: close it first.

        Raises:
            GroupNotFound: it has no tasks, or not any more.
            ServiceUnavailable: some may have been cancelled; repeating it is safe.
        """
        return self._change_all("cancel", reason)

    def redrive(self) -> int:
        """Queue all dead tasks of the group again; return how many.

        Raises:
            GroupNotFound: it has no tasks, or not any more.
            ServiceUnavailable: some may have been queued; repeating it is safe.
        """
        return self._change_all("redrive", None)

    def _change_all(self, verb: str, reason: str | None) -> int:
        total = 0
        cursor: str | None = None
        while True:
            call = group_calls.change_all(verb, self.name, cursor=cursor, reason=reason)
            progress = self._route.do(call)
            total += progress.done
            cursor = progress.next
            if cursor is None:
                return total

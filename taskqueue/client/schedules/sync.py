"""The schedules of a service, for programs with threads, and for those without any."""

from collections.abc import Iterator, Sequence
from typing import Unpack

from taskqueue.client.routes import Route
from taskqueue.client.schedules import calls
from taskqueue.client.schedules.views import ScheduleChanges, ScheduleFields, ScheduleInfo
from taskqueue.client.task import ClientTask


class Schedules:
    """Lists, creates, changes, pauses, resumes, runs and deletes schedules.

    client.schedules.create("report", cron="0 3 * * *", timezone="Europe/Berlin")
    client.schedules.get("report").upcoming[0].local

    All but `list`, `get` and iteration need the role `admin`.
    """

    def __init__(self, route: Route) -> None:
        self._route = route

    def list(self) -> Sequence[ScheduleInfo]:
        """Return all schedules, by name, without their slots."""
        return [*self]

    def __iter__(self) -> Iterator[ScheduleInfo]:
        """Yield all schedules, by name, without their slots."""
        cursor: str | None = None
        while True:
            page = self._route.do(calls.find(cursor))
            yield from page.schedules
            cursor = page.next
            if cursor is None:
                return

    def get(self, name: str) -> ScheduleInfo:
        """Return a schedule with its next slots, and what became of the latest ones.

        Raises:
            CallRefused: there is none.
        """
        return self._route.do(calls.get(name))

    def create(
        self, action: str, *, name: str | None = None, **fields: Unpack[ScheduleFields]
    ) -> ScheduleInfo:
        """Create a schedule; durable when this returns.

        Args:
            action: one that the app marks as schedulable.
            name: of the schedule; default: the action.
            fields: `cron` or `every` (a `timedelta`, or seconds), `timezone`, `data`, `missed`,
                `within_s`, `overlap`.

        Raises:
            CallRefused: there is one of this name, or a field does not fit.
            InvalidTask: an argument has no JSON form.
        """
        named = {} if name is None else {"name": name}
        return self._route.do(calls.create({"action": action, **named, **fields}))

    def put(self, name: str, action: str, **fields: Unpack[ScheduleFields]) -> ScheduleInfo:
        """Create a schedule, or replace all of it; see `create`. A pause stays.

        Raises:
            CallRefused: code or a file declares it, or a field does not fit.
        """
        return self._route.do(calls.put(name, {"action": action, **fields}))

    def change(self, name: str, **changes: Unpack[ScheduleChanges]) -> ScheduleInfo:
        """Change some of a schedule; see `create`. A new timing begins with its next slot.

        Raises:
            CallRefused: there is none, code or a file declares it, or a field does not fit.
        """
        return self._route.do(calls.change(name, changes))

    def pause(self, name: str, *, reason: str | None = None) -> ScheduleInfo:
        """Let no slot of a schedule run until it is resumed, also after a restart."""
        return self._route.do(calls.pause(name, reason))

    def resume(self, name: str) -> ScheduleInfo:
        """Let slots run again. Those that came during the pause do not."""
        return self._route.do(calls.resume(name))

    def run(self, name: str) -> ClientTask:
        """Run a schedule once, now: paused or not, and beside an earlier run; return its task."""
        return ClientTask(self._route, self._route.do(calls.run(name)).id)

    def delete(self, name: str) -> None:
        """Delete a schedule. The tasks that it has made stay.

        Raises:
            CallRefused: there is none, or code or a file declares it.
        """
        self._route.do(calls.delete(name))

"""What an operator does with a client for threads: counts, queues, consumers, settings …"""

from collections.abc import Sequence
from typing import Unpack

from taskqueue.client import calls, live_calls, summary_calls
from taskqueue.client.audit_views import Change
from taskqueue.client.bulk_changes import BulkChanges
from taskqueue.client.nodes import NodeVerbs
from taskqueue.client.verbs import Filters
from taskqueue.client.views import Counts, DeadGroup, QueueInfo, SettingInfo
from taskqueue.rules.service_activity import RecentActivity
from taskqueue.rules.sizes import ConsumersSize


class Administration(BulkChanges, NodeVerbs):
    """The part of `Client` that is about the service as a whole."""

    # --- many tasks -----------------------------------------------------------------------------

    def count_tasks(self, **filters: Unpack[Filters]) -> Counts:
        """Return how many tasks match, by status; takes the filters of `tasks`.

        Up to 100,000 of each status are counted by action, queue and group, fewer by what no index
        answers: `more_than` has the statuses of which there are more.
        """
        return self._do(summary_calls.count(filters))

    def dead_groups(
        self, *, action: str | None = None, queue: str | None = None, limit: int = 100
    ) -> Sequence[DeadGroup]:
        """Return groups of dead tasks by action and error, the largest first.

        `redrive_tasks(action=group.action, error=group.error)` redrives one.

        Args:
            action: only of this action.
            queue: only of this queue.
            limit: how many groups, 1 to 1,000.
        """
        return self._do(summary_calls.dead_groups(action, queue, limit))

    # --- queues ---------------------------------------------------------------------------------

    def queues(self) -> Sequence[QueueInfo]:
        """Return the queues that the service serves."""
        return self._do(calls.queues())

    def pause(self, queue: str) -> None:
        """Stop handing out tasks of a queue, also after a restart of the service."""
        self._do(calls.pause(queue, paused=True))

    def resume(self, queue: str) -> None:
        """Hand out tasks of a queue again."""
        self._do(calls.pause(queue, paused=False))

    # --- consumers ------------------------------------------------------------------------------

    def consumers(self) -> ConsumersSize:
        """Return how many shared consumers there are meant to be, and whether a call has set it."""
        return self._do(calls.consumers())

    def set_consumers(self, count: int | None) -> ConsumersSize:
        """Have so many shared consumers, 0 to 1024, also after restarts of the service.

        Those removed finish their running tasks. None: as many as are configured.

        Raises:
            CallRefused: the process may not open files for so many.
        """
        return self._do(calls.set_consumers(count))

    # --- activity -------------------------------------------------------------------------------

    def activity(self, *, minutes: int = 60) -> RecentActivity:
        """Return what the service did in the last minutes, 10 s by 10 s, and what was restarted.

        Counted since its start. Buckets in which nothing was done are left out.

        Args:
            minutes: 1 to 60.
        """
        return self._do(live_calls.activity(minutes))

    # --- access ---------------------------------------------------------------------------------

    def audit(
        self, *, limit: int = 100, cursor: str | None = None, task: str | None = None
    ) -> Sequence[Change]:
        """Return the latest changes of the service's state, newest first; needs the role `admin`.

        Args:
            limit: 1 to 1,000.
            cursor: the id of a change; only those before it are returned.
            task: the id of a task; only changes that name it are returned.
        """
        found: list[Change] = []
        while True:
            page = self._do(calls.audit(limit - len(found), cursor, task))
            found += page.changes
            cursor = page.next
            if cursor is None or len(found) >= limit:
                return found

    def settings(self) -> Sequence[SettingInfo]:
        """Return the settings with which the service was started, and where each comes from.

        Needs the role `admin`. No value contains a secret.
        """
        return self._do(calls.settings())

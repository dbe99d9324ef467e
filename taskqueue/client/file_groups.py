"""What a client does with groups through the file of a service on this machine."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

import msgspec

from taskqueue.client.file_tasks import new_task
from taskqueue.client.file_views import group_of
from taskqueue.client.shared_file import ServiceFile
from taskqueue.client.verbs import NewTaskBody
from taskqueue.client.views import GroupInfo, GroupPage, Progress
from taskqueue.errors import CallRefused, Fault, GroupNotFound, InvalidTask
from taskqueue.rules.filters import MAX_ROWS, Sort, TaskFilter
from taskqueue.rules.groups import Close, CloseAnswer
from taskqueue.rules.keys import refuse_unaccepted
from taskqueue.rules.names import NAME_RULE, is_name
from taskqueue.rules.tasks import ENDED, Status
from taskqueue.storage.sqlite import audited
from taskqueue.storage.sqlite.operations import groups, searching

GROUPS = 100  # in one page
PART = 500  # members of one commit
NO_REASON = "asked for through the file"

_CHANGEABLE = {
    "cancel": tuple(status for status in Status if status not in ENDED),
    "redrive": (Status.DEAD,),
}
_CHANGE = {"cancel": audited.cancel_members, "redrive": audited.redrive_members}


class GroupFile(ServiceFile):
    """The verbs of a client about groups, done by this process."""

    def get_group(self, name: str) -> GroupInfo:
        """Return a group with its counts.

        Raises:
            GroupNotFound: it has no tasks, or not any more.
        """
        with self._reachable():
            found = self._file.read(partial(groups.get, name=name))
        if found is None:
            raise GroupNotFound(name)
        return group_of(found)

    def find_groups(self, *, ended: bool | None, cursor: int | None) -> GroupPage:
        """Return a page of groups, newest first."""
        query = partial(groups.latest, before=cursor, ended=ended, limit=GROUPS)
        with self._reachable():
            found = self._file.read(query)
        following = found[-1].number if len(found) == GROUPS else None
        return GroupPage(groups=[*map(group_of, found)], next=following)

    def close_group(
        self, name: str, then: NewTaskBody | None, bodies: Sequence[NewTaskBody]
    ) -> GroupInfo:
        """Accept tasks and close a group, in one transaction.

        Raises:
            InvalidTask, TaskTooLarge: nothing is written.
            CallRefused: the group was closed with another `then`; nothing is written.
            KeyConflict, GroupClosed: of one of the tasks; the others are accepted.
        """
        if not is_name(name):
            raise InvalidTask((Fault("group", NAME_RULE),))
        now = self._clock.now()
        tasks = [new_task(msgspec.structs.replace(body, group=name), now) for body in bodies]
        wanted = Close(name=name, then=None if then is None else new_task(then, now))
        with self._reachable():
            result = self._file.write(partial(groups.close, wanted=wanted, tasks=tasks, now=now))
        if result.answer is CloseAnswer.CONFLICT:
            detail = "The first close counts; nothing has changed."
            raise CallRefused(HTTPStatus.CONFLICT, "group was closed with another then", detail)
        refuse_unaccepted(tasks, result.accepted)
        return group_of(result.group)

    def change_group(
        self, verb: str, name: str, cursor: str | None, reason: str | None
    ) -> Progress:
        """Cancel or redrive some members of a group, in one transaction.

        Raises:
            GroupNotFound: it has no tasks, or not any more.
        """
        self.get_group(name)
        now = self._clock.now()
        query = partial(
            searching.search,
            wanted=TaskFilter(group=name, statuses=_CHANGEABLE[verb]),
            after=cursor,
            sort=Sort.NEWEST,
            limit=PART,
            now=now,
            max_rows=MAX_ROWS,
            brief=True,
        )
        with self._reachable():
            task_ids = [task.id for task in self._file.read(query).tasks]
            change = partial(
                _CHANGE[verb], group=name, task_ids=task_ids, reason=reason or NO_REASON, now=now
            )
            done = self._file.write(change) if task_ids else 0
        following = task_ids[-1] if len(task_ids) == PART else None
        return Progress(matched=len(task_ids), done=done, next=following)

"""Errors of supervisor calls. `tag` is OTP's term.

SupervisionError
├─ AlreadyStarted      child_id, ref           that id has an actor
├─ AlreadyPresent      child_id                that id is there, without an actor
├─ ChildNotFound       child_id
├─ ChildRunning        child_id
├─ ChildRestarting     child_id
├─ RequirementsNotRunning  child_id, missing   nothing was started
├─ ChildStartFailed    child_id, reason, spec  nothing of it is kept that was not there before
├─ OnlyInstances       child_id                a dynamic supervisor's children have no ids
└─ MaxChildren         child_id, max_children  there are as many as there may be
"""

from typing import ClassVar

from taskqueue.errors import TaskQueueError
from taskqueue.runtime import ActorRef, ExitReason
from taskqueue.supervision.specs import ChildSpec


class SupervisionError(TaskQueueError):
    """Base of the errors that correspond to `{error, Reason}` in OTP."""

    tag: ClassVar[str]

    def __init__(self, child_id: str, what: str) -> None:
        self.child_id = child_id
        super().__init__(f"child {child_id!r} {what}")


class AlreadyStarted(SupervisionError):
    """A child of that id runs; it is `ref`."""

    tag = "already_started"

    def __init__(self, child_id: str, ref: ActorRef) -> None:
        self.ref = ref
        super().__init__(child_id, "is started already")


class AlreadyPresent(SupervisionError):
    """A child of that id is there, but does not run."""

    tag = "already_present"

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "is there already; restart or delete it")


class ChildNotFound(SupervisionError):
    """There is no child of that id."""

    tag = "not_found"

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "is not there")


class ChildRunning(SupervisionError):
    """The child runs; terminate it first."""

    tag = "running"

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "is running")


class ChildRestarting(SupervisionError):
    """The child waits for another restart attempt; terminate it first."""

    tag = "restarting"

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "is restarting")


class RequirementsNotRunning(SupervisionError):
    """The child requires siblings that do not run: those in `missing`. Nothing was changed."""

    tag = "requirements_not_running"

    def __init__(self, child_id: str, missing: tuple[str, ...]) -> None:
        self.missing = missing
        super().__init__(child_id, f"requires what does not run: {', '.join(missing)}")


class ChildStartFailed(SupervisionError):
    """The start function failed with `reason`.

    `spec` is the specification that was to be added, None if that was not what was asked for.
    """

    tag = "start_failed"

    def __init__(self, child_id: str, reason: ExitReason, spec: ChildSpec | None = None) -> None:
        self.reason = reason
        self.spec = spec
        super().__init__(child_id, f"did not start: {reason}")


class OnlyInstances(SupervisionError):
    """The supervisor is dynamic: its children are known by their references, not by ids."""

    tag = "simple_one_for_one"

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "cannot be named there: a dynamic supervisor has no ids")


class MaxChildren(SupervisionError):
    """A dynamic supervisor has `max_children` already; those that wait for a restart count."""

    tag = "max_children"

    def __init__(self, child_id: str, max_children: int) -> None:
        self.max_children = max_children
        super().__init__(child_id, f"would be more than {max_children}")

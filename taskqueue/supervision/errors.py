"""What a supervisor answers when it cannot do what it was asked. OTP's words.

SupervisionError
├─ AlreadyStarted      child_id, ref     that id has an actor
├─ AlreadyPresent      child_id          that id is there, without an actor
├─ ChildNotFound       child_id
├─ ChildRunning        child_id
├─ ChildRestarting     child_id
└─ ChildStartFailed    child_id, reason  nothing of it is kept that was not there before
"""

from taskqueue.actors.runtime import ActorRef, ExitReason
from taskqueue.errors import TaskQueueError


class SupervisionError(TaskQueueError):
    """A supervisor's answer of the kind `{error, Reason}`."""

    def __init__(self, child_id: str, what: str) -> None:
        self.child_id = child_id
        super().__init__(f"child {child_id!r} {what}")


class AlreadyStarted(SupervisionError):
    """A child of that id runs; it is `ref`."""

    def __init__(self, child_id: str, ref: ActorRef) -> None:
        self.ref = ref
        super().__init__(child_id, "is started already")


class AlreadyPresent(SupervisionError):
    """A child of that id is there, but does not run."""

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "is there already; restart or delete it")


class ChildNotFound(SupervisionError):
    """There is no child of that id."""

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "is not there")


class ChildRunning(SupervisionError):
    """The child runs; terminate it first."""

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "is running")


class ChildRestarting(SupervisionError):
    """The child waits for another restart attempt; terminate it first."""

    def __init__(self, child_id: str) -> None:
        super().__init__(child_id, "is restarting")


class ChildStartFailed(SupervisionError):
    """The start function failed with `reason`."""

    def __init__(self, child_id: str, reason: ExitReason) -> None:
        self.reason = reason
        super().__init__(child_id, f"did not start: {reason}")

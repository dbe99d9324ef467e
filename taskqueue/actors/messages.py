"""Messages between the roles; `taskqueue.commands` has what the service as a whole can be asked."""

from collections.abc import Mapping

from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.foreign import rendering
from taskqueue.rules.leases.values import Finished, Taken
from taskqueue.rules.limits import LimitUse
from taskqueue.rules.sizes import Capacity
from taskqueue.rules.tasks import Accepted, CancelResult, NewTask
from taskqueue.runtime import ActorRef, Message, Request

# Names under which the roles are found; a group for the consumers.
DATABASE = "database"
QUEUE = "queue"
NODE = "node"
RETENTION = "retention"
SCHEDULES = "schedules"
WATCHDOG = "watchdog"
GATEWAY = "gateway"
CONSUMERS = "consumers"


# --- to the database ----------------------------------------------------------------------------


class UseStorage(Request[object]):
    """Call a verb of the storage; see `StorageClient.use`, which knows the types."""

    verb: str
    args: tuple[object, ...]
    kwargs: dict[str, object]


class Migrate(Request[tuple[str, ...]]):
    """Bring the schema up to date, open the storage; answer with the steps taken."""


class StorageReady(Message):
    """From the database to the queue: the storage serves, again or for the first time."""


class ForeignCommit(Message):
    """From the database to the queue: another process has inserted or cancelled tasks, perhaps."""

    due: Mapping[str, float]
    """When the first waiting task of each queue comes due."""


class ForeignTasks(Message):
    """From the database to the queue: another process has most likely inserted tasks just now."""


# --- to the node ----------------------------------------------------------------------------------


class LookAgain(Message):
    """To the node: what all nodes follow has been changed, perhaps by another one."""


# --- to the queue -------------------------------------------------------------------------------


class SlotsFired(Message):
    """From the schedules to the queue: they have inserted and cancelled tasks."""

    tasks: tuple[NewTask, ...]
    cancelled: tuple[tuple[CancelResult, str], ...]
    """With the reason of each."""


class TasksAccepted(Message):
    """To the queue: these tasks were accepted with the close or the end of a group."""

    tasks: tuple[NewTask, ...]
    accepted: tuple[Accepted, ...]


class Register(Message):
    """From a consumer: give me work. The first message to each queue actor, sent once."""

    consumer: ActorRef
    queues: tuple[str, ...]
    slots: int  # 0: none, I am stopping
    running: tuple[Taken, ...]  # what it runs, or has reported without an answer yet


class SlotsChanged(Message):
    """From a consumer that has registered: I have so many slots now."""

    consumer: ActorRef
    slots: int


class Leaving(Message):
    """The answer to `Leave`: what a stopping consumer has to know."""

    deadline: float | None  # of all handlers, on the monotonic clock, if the whole service stops
    unwanted: dict[str, str]  # the tokens whose tasks have been cancelled, with the reasons


class Leave(Request[Leaving]):
    """From a consumer: I am stopping; no more work for me.

    Repeated while its handlers run out, because it reads no messages meanwhile.
    """

    consumer: ActorRef


class Finish(Request[None]):
    """From a consumer: these attempts have ended. Answered once that is written."""

    consumer: ActorRef
    finished: tuple[Finished, ...]


class Charge(Request[bool]):
    """From a consumer: an attempt has cost so much. Answers whether there is such a limit."""

    use: LimitUse


class Drain(Request[None]):
    """From the entry point: hand nothing out any more; handlers may run until `deadline`.

    Answered when nothing runs any more, or at the deadline. A later one may shorten it.
    """

    deadline: float  # on the monotonic clock


# --- to the consumers -----------------------------------------------------------------------------


class Work(Message):
    """From the queue: there are deliveries to take from this dispatch buffer."""

    dispatch: DispatchBuffer[ActorRef]


class CancelAttempt(Message):
    """From the queue: cancel the handler that runs under this token, if it still does."""

    token: str
    reason: str


class GetProcesses(Request[tuple[int, ...]]):
    """To a consumer: in which processes do your handlers run?"""


class QueueReady(Message):
    """From a queue actor that has just started: register with it."""


class HandlerCrash(Exception):
    """Why a consumer ends: the handler of the attempt `token` took it down."""

    def __init__(self, token: str, cause: Exception) -> None:
        self.token = token
        self.cause = cause
        super().__init__(rendering.text(cause))


class SetSlots(Message):
    """To a consumer: run so many handlers at once from now on."""

    slots: int


class Resize(Request[None]):
    """Have a pool of this size. Answered when the last surplus consumer has drained."""

    pool: str
    size: Capacity

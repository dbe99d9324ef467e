"""Messages between the roles; `taskqueue.commands` has what the service as a whole can be asked."""

from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.foreign import rendering
from taskqueue.rules.leases.values import Finished, Taken
from taskqueue.runtime import ActorRef, Message, Request

# Names under which the roles are found; a group for the consumers.
DATABASE = "database"
QUEUE = "queue"
RETENTION = "retention"
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


# --- to the queue -------------------------------------------------------------------------------


class Register(Message):
    """From a consumer: give me work. Said to each queue actor, once, before anything else."""

    consumer: ActorRef
    queues: tuple[str, ...]
    slots: int  # 0: none, I am stopping
    running: tuple[Taken, ...]  # what it is busy with, or what has not been answered yet


class Leaving(Message):
    """What a consumer that stops has to know."""

    deadline: float | None  # of all handlers, on the monotonic clock, if the whole service stops
    unwanted: dict[str, str]  # whose tasks have been cancelled: reasons by token


class Leave(Request[Leaving]):
    """From a consumer: I am stopping; no more work for me.

    Said again and again while its handlers run out, because it reads no mail meanwhile.
    """

    consumer: ActorRef


class Finish(Request[None]):
    """From a consumer: this is what happened. Answered once it is written."""

    consumer: ActorRef
    finished: tuple[Finished, ...]


class Drain(Request[None]):
    """From the entry point: hand nothing out any more; handlers may run until `deadline`.

    Answered when nothing runs any more, or at the deadline. A later one may shorten it.
    """

    deadline: float  # on the monotonic clock


# --- to the consumers -----------------------------------------------------------------------------


class Work(Message):
    """From the queue: there is something to take from this dispatch buffer."""

    dispatch: DispatchBuffer[ActorRef]


class CancelAttempt(Message):
    """From the queue: stop what runs under this token, if it still does."""

    token: str
    reason: str


class GetProcesses(Request[tuple[int, ...]]):
    """To a consumer: in which processes do your handlers run?"""


class QueueReady(Message):
    """From a queue actor that has just begun: register with it."""


class HandlerCrash(Exception):
    """With this a consumer ends whose handler, in the attempt `token`, took it down."""

    def __init__(self, token: str, cause: Exception) -> None:
        self.token = token
        self.cause = cause
        super().__init__(rendering.text(cause))

"""What the roles say to each other. Requests name the answer in their type."""

from taskqueue.actors.runtime import ActorRef, Message, Request
from taskqueue.health import Readiness
from taskqueue.tasks import Accepted, Delivery, NewTask, Outcome

# Names under which the roles are found; a group for the consumers.
DATABASE = "database"
QUEUE = "queue"
GATEWAY = "gateway"
CONSUMERS = "consumers"


class GetReadiness(Request[Readiness]):
    """To the database or the queue: can you serve?"""


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


class Enqueue(Request[tuple[Accepted, ...]]):
    """Accept tasks, as `Storage.insert` does. Answered after the commit, in the order given."""

    tasks: tuple[NewTask, ...]


class Redrive(Request[tuple[str, ...]]):
    """Queue dead tasks again; answer with those that were dead."""

    task_ids: tuple[str, ...]


class Register(Message):
    """From a consumer: give me work. Said to each queue actor, once, before anything else."""

    consumer: ActorRef
    slots: int  # 0: none, I am stopping
    running: tuple[Delivery, ...]  # what it is busy with, or what has not been answered yet


class Leave(Request[float | None]):
    """From a consumer: I am stopping; no more work for me. How long may my handlers run?

    Answered with a deadline on the monotonic clock if the whole service stops.
    """

    consumer: ActorRef


class Finish(Request[None]):
    """From a consumer: this is what happened. Answered once it is written."""

    consumer: ActorRef
    delivery: Delivery
    outcome: Outcome


class Drain(Message):
    """From the entry point: hand nothing out any more; handlers may run until `deadline`."""

    deadline: float  # on the monotonic clock


# --- to the consumers -----------------------------------------------------------------------------


class Deliver(Message):
    """From the queue: run these, one slot each."""

    deliveries: tuple[Delivery, ...]


class QueueReady(Message):
    """From a queue actor that has just begun: register with it."""


class HandlerCrash(Exception):
    """With this a consumer ends whose handler, in the attempt `token`, took it down."""

    def __init__(self, token: str, cause: object) -> None:
        self.token = token
        self.cause = cause
        super().__init__(str(cause))

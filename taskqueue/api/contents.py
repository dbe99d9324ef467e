"""What an app consists of: its actions, its queues and its limits."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from taskqueue.api.handler import ExecutorKind, Handler
from taskqueue.api.handlers import Handlers
from taskqueue.api.limits import AnyLimits
from taskqueue.api.parameters import AnyFunction
from taskqueue.api.surroundings import Surroundings
from taskqueue.errors import UnknownAction
from taskqueue.rules.limits import LimitValues
from taskqueue.rules.policy import RetryPolicy

F = TypeVar("F", bound=AnyFunction)


class Contents(Surroundings):
    """What has been registered in an app: `App` without the way of its tasks."""

    def __init__(self) -> None:
        """Begin without any action."""
        super().__init__()
        self._handlers = Handlers(self.middlewares)

    @property
    def needs_processes(self) -> bool:
        """Whether a handler runs in a process of its own, which has to find this app."""
        kinds = {handler.executor for handler in self._handlers.by_action.values()}
        return ExecutorKind.PROCESS in kinds

    @property
    def actions(self) -> tuple[str, ...]:
        """The names of all actions, in the order of their registration."""
        return tuple(self._handlers.by_action)

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of all queues that tasks may go to, sorted."""
        return self._handlers.queues

    @property
    def fair_queues(self) -> frozenset[str]:
        """The names of the queues whose tasks take turns: those of actions with `fair_by`."""
        return self._handlers.fair_queues

    @property
    def limits(self) -> Mapping[str, LimitValues]:
        """What is declared of each limit, by its name."""
        return self._handlers.limits.values

    def add_queues(self, names: Iterable[str]) -> None:
        """Accept tasks for these queues as well: the service serves them."""
        self._handlers.add_queues(names)

    @property
    def ageing(self) -> Mapping[str, float]:
        """The queues whose tasks age, and after how many seconds they do so by one priority."""
        return self._handlers.ageing

    def queue(self, name: str, *, limit: AnyLimits = (), ageing_s: float | None = None) -> None:
        """Say what holds for all tasks of a queue, of whatever action they are.

        Each task that is made for it counts towards the limits. These have no fields of data, and
        `queue:<name>` is their usual name. Tasks that are there already are not counted, so call it
        where the app is made. With `ageing_s`, a task counts as one of the next higher priority
        after each so many seconds that it has been due; without, a low priority may wait for ever.

        Raises:
            ConfigError: with every fault of the name, the limits and the seconds; the queue was
                described already.
        """
        self._handlers.describe_queue(name, limit, ageing_s)

    def default(self, function: F) -> F:
        """Register the decorated function for every action that has no handler of its own.

        It gets all the data, an object, as the one argument beside `ctx`.

        Raises:
            ConfigError: there is a default handler already, or its signature cannot work.
        """
        self._handlers.register_default(function)
        return function

    def executors(self, queues: Collection[str]) -> frozenset[ExecutorKind]:
        """Return where the tasks of these queues run, as far as the actions say."""
        return self._handlers.executors(queues)

    def handler(self, action: str) -> Handler:
        """Return the handler of `action`, which may be the default one.

        Raises:
            UnknownAction: there is none.
        """
        return self._handlers.handler(action)

    def retry_policy(self, action: str, usual: RetryPolicy) -> RetryPolicy:
        """Return how failures of `action` are answered where `usual` holds for most."""
        try:
            return self.handler(action).retries.over(usual)
        except UnknownAction:
            return usual

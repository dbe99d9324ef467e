"""The handlers of an app, by the names of their actions."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from taskqueue.api.declared_limits import DeclaredLimits
from taskqueue.api.fair_shares import NO_TURNS, OF_OTHERS, Share, Sharing
from taskqueue.api.handler import ExecutorKind, Handler, handler_of
from taskqueue.api.limit_rules import LimitRule
from taskqueue.api.limits import AnyLimits
from taskqueue.api.middleware import Middleware
from taskqueue.api.parameters import AnyFunction
from taskqueue.api.retries import Retries
from taskqueue.api.signature import signature_of, whole_signature_of
from taskqueue.errors import ConfigError, Fault, UnknownAction
from taskqueue.rules.names import NAME_RULE, is_name
from taskqueue.rules.options import NO_CHOICE, Defaults, Options, is_duration
from taskqueue.rules.tasks import DEFAULT_QUEUE

AGEING_RULE = "must be a number of seconds above 0"


class Handlers:
    """What can be done, and the queues that the tasks of it may go to."""

    def __init__(self, middleware: Sequence[Middleware] = ()) -> None:
        """Begin without any; `middleware` is around each, and may still grow."""
        self._middleware = middleware
        self.by_action: dict[str, Handler] = {}
        self._default: Handler | None = None
        self._queues = {DEFAULT_QUEUE}
        self.ageing: dict[str, float] = {}
        """The queues whose tasks age, and after how many seconds they do so by one priority."""
        self._fair_queues: set[str] = set()
        self.limits = DeclaredLimits()

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of all queues, sorted."""
        return tuple(sorted(self._queues))

    @property
    def fair_queues(self) -> frozenset[str]:
        """The names of the queues that an action with `fair_by` has by default."""
        return frozenset(self._fair_queues)

    def add_queues(self, names: Iterable[str]) -> None:
        """Accept tasks for these queues as well."""
        self._queues.update(names)

    def register(
        self,
        function: AnyFunction,
        name: str,
        *,
        defaults: Defaults,
        timeout_s: float | None,
        executor: str | None,
        retries: Retries,
        false_is_failure: bool | None,
        limit: AnyLimits,
        sharing: Sharing,
        schedulable: bool,
    ) -> Handler:
        """Register the handler of the action `name`.

        Raises:
            ConfigError: with every fault of the name, the options, the executor, the function's
                signature, the limits and the fair share.
        """
        faults = [*self._name_faults(name)]
        try:
            handler = handler_of(
                function,
                signature_of,
                name=name,
                defaults=defaults,
                timeout_s=timeout_s,
                executor=executor,
                retries=retries,
                false_is_failure=false_is_failure,
                schedulable=schedulable,
                middleware=self._middleware,
                limit=limit,
                sharing=sharing,
            )
            faults.extend(self.limits.conflicts(handler.limits))
        except ConfigError as error:
            faults.extend(error.faults)
        if faults:
            raise _refusal(f"task {name!r}", faults)
        self.limits.declare(handler.limits)
        self.by_action[name] = handler
        self._queues.add(defaults.queue)
        if handler.fair is not None:
            self._fair_queues.add(defaults.queue)
        return handler

    def register_default(self, function: AnyFunction) -> None:
        """Register the handler of all other actions.

        Raises:
            ConfigError: there is one already, or its signature cannot work.
        """
        if self._default is not None:
            raise _refusal("default", [Fault("handler", "is registered already")])
        try:
            self._default = handler_of(
                function,
                whole_signature_of,
                name="default",
                defaults=Defaults(),
                middleware=self._middleware,
            )
        except ConfigError as error:
            raise _refusal("default", error.faults) from error

    def handler(self, action: str) -> Handler:
        """Return the handler of `action`, which may be the default one.

        Raises:
            UnknownAction: there is none.
        """
        handler = self.by_action.get(action, self._default)
        if handler is None:
            raise UnknownAction(action, tuple(self.by_action))
        return handler

    def executors(self, queues: Collection[str]) -> frozenset[ExecutorKind]:
        """Return where the tasks of these queues run, as far as the actions say."""
        handlers = [each for each in self.by_action.values() if each.defaults.queue in queues]
        if self._default is not None:
            handlers.append(self._default)
        return frozenset(each.executor for each in handlers)

    def call_faults(self, action: str, options: Options) -> Iterator[Fault]:
        """Yield what is wrong with a task of an action that has a handler."""
        if action not in self.by_action and not is_name(action):  # a default handler takes any
            yield Fault("action", NAME_RULE)
        if options is NO_CHOICE or options == NO_CHOICE:
            return
        yield from options.faults()
        if is_name(options.queue) and options.queue not in self._queues:
            served = ", ".join(self.queues)
            yield Fault("queue", f"no consumer serves {options.queue!r}; served are {served}")

    def describe_queue(self, queue: str, limit: AnyLimits, ageing_s: float | None) -> None:
        """Accept tasks for a queue, and have each count towards these limits, and age.

        Raises:
            ConfigError: with every fault of the name, the limits and the seconds.
        """
        if not is_name(queue):
            raise _refusal("queue", [Fault("name", NAME_RULE)])
        faults = (
            [] if ageing_s is None or is_duration(ageing_s) else [Fault("ageing_s", AGEING_RULE)]
        )
        try:
            self.limits.declare_queue(queue, limit)
        except ConfigError as error:
            faults += error.faults
        if faults:
            raise _refusal(f"queue {queue!r}", faults)
        self._queues.add(queue)
        if ageing_s is not None:
            self.ageing[queue] = ageing_s

    def limits_of(self, handler: Handler, queue: str) -> Sequence[LimitRule]:
        """Return what a task of this handler counts towards on a queue."""
        of_queue = self.limits.by_queue.get(queue)
        return handler.limits if of_queue is None else (*handler.limits, *of_queue)

    def share_of(self, handler: Handler, queue: str, data: Mapping[str, Any]) -> Share:
        """Return the share of a task of this handler with this data on a queue.

        Where the tasks of some action take turns, those without `fair_by` share as one more flow:
        else they would come before all that have a turn.

        Raises:
            InvalidTask: with every field that gives no flow or no weight.
        """
        if handler.fair is not None:
            return handler.fair.share(data)
        return OF_OTHERS if queue in self._fair_queues else NO_TURNS

    def _name_faults(self, action: str) -> Iterator[Fault]:
        if not is_name(action):
            yield Fault("action", NAME_RULE)
        elif action in self.by_action:
            yield Fault("action", "is registered already")


def _refusal(what: str, faults: Sequence[Fault]) -> ConfigError:
    return ConfigError(tuple(Fault(f"{what}, {fault.field}", fault.message) for fault in faults))

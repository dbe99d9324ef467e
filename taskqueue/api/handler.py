"""A handler: the user's function, how it is called, and what its tasks get by default."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from taskqueue.api.context import Context
from taskqueue.api.fair_shares import NO_SHARING, FairRule, Sharing, fair_rule_of
from taskqueue.api.limit_rules import LimitRule, rules_of_action
from taskqueue.api.limits import AnyLimits
from taskqueue.api.middleware import Middleware
from taskqueue.api.parameters import AnyFunction, returns_bool, takes_context
from taskqueue.api.retries import USUAL, Retries, as_built_in
from taskqueue.api.signature import Signature
from taskqueue.errors import ConfigError, Fault, InvalidTask
from taskqueue.foreign import conversion as plain
from taskqueue.rules.options import Defaults, converted_by, is_duration
from taskqueue.rules.tasks import Payload

_payload = msgspec.json.Decoder(Payload)


class ExecutorKind(StrEnum):
    """Where a handler runs."""

    LOOP = "loop"  # `async def`: on the consumer's loop
    THREAD = "thread"  # `def`: in a thread beside it
    PROCESS = "process"  # either: in a process of its own, which can be killed

    @classmethod
    def of(cls, function: AnyFunction) -> "ExecutorKind":
        """Return where this function runs by default."""
        return cls.LOOP if inspect.iscoroutinefunction(function) else cls.THREAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A registered function. `defaults` hold for its tasks unless an enqueue says otherwise.

    `timeout_s` is None if the setting decides, and 0 if there is no limit. Only what is
    `schedulable` can be scheduled over HTTP.
    """

    name: str
    function: AnyFunction
    signature: Signature
    takes_context: bool
    executor: ExecutorKind
    defaults: Defaults
    timeout_s: float | None
    retries: Retries
    false_is_failure: bool
    schedulable: bool
    middleware: Sequence[Middleware]  # the outermost first
    limits: tuple[LimitRule, ...] = ()
    fair: FairRule | None = None

    def limit_s(self, usual_s: float) -> float | None:
        """Return the time limit of its attempts where `usual_s` holds for most; 0 is none."""
        if self.executor is ExecutorKind.THREAD:
            return None
        return (usual_s if self.timeout_s is None else self.timeout_s) or None

    def args(self, context: Context) -> tuple[Context, ...]:
        """Return the positional arguments of a call: the context, if the function takes it."""
        return (context,) if self.takes_context else ()

    def bind(self, payload: str) -> dict[str, Any]:
        """Return the typed keyword arguments that a stored payload stands for.

        Raises:
            InvalidTask: the data does not fit (any more), as may happen after a deploy.
        """
        try:
            data = _payload.decode(payload).data
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidTask((Fault("payload", str(error)),)) from error
        return self.signature.bind(data)


def handler_of(
    function: AnyFunction,
    read_signature: Callable[[AnyFunction], Signature],
    *,
    name: str,
    defaults: Defaults,
    timeout_s: float | None = None,
    executor: str | None = None,
    retries: Retries = USUAL,
    false_is_failure: bool | None = None,
    schedulable: bool = False,
    middleware: Sequence[Middleware] = (),
    limit: AnyLimits = (),
    sharing: Sharing = NO_SHARING,
) -> Handler:
    """Return `function` as a handler.

    Raises:
        ConfigError: with every fault of the defaults, the executor, the time limit, the rule about
            retries, the function's signature, its limits and its fair share.
    """
    if timeout_s is not None:
        timeout_s = converted_by(plain.number, timeout_s)
    usual = ExecutorKind.of(function)
    faults = [*defaults.faults(), *_executor_faults(usual, executor)]
    kind = usual if faults or executor is None else ExecutorKind(executor)
    faults.extend(_timeout_faults(kind, timeout_s))
    if issubclass(type(retries), Retries):
        retries = as_built_in(retries)
        faults.extend(retries.faults())
    else:
        faults.append(Fault("retries", "must be Retries(…)"))
    try:
        signature = read_signature(function)
    except ConfigError as error:
        raise ConfigError((*faults, *error.faults)) from error
    faults.extend(key_faults(signature, defaults.unique_by))
    try:
        fair = fair_rule_of(sharing, function, signature)
    except ConfigError as error:
        faults.extend(error.faults)
    try:
        limits = rules_of_action(limit, name, function)
    except ConfigError as error:
        faults.extend(error.faults)
    if faults:
        raise ConfigError(tuple(faults))
    return Handler(
        name=name,
        function=function,
        signature=signature,
        takes_context=takes_context(function),
        executor=kind,
        defaults=defaults,
        timeout_s=timeout_s,
        retries=retries,
        false_is_failure=_false_is_failure(name, function, chosen=false_is_failure),
        schedulable=bool(schedulable),
        middleware=middleware,
        limits=limits,
        fair=fair,
    )


def key_faults(signature: Signature, names: Sequence[str] | None) -> Iterator[Fault]:
    """Yield a fault for each field of a unique key that data cannot have."""
    for name in names or ():
        if not signature.takes(name):
            yield Fault("unique_by", f"the handler takes no {name!r}")


def _false_is_failure(name: str, function: AnyFunction, *, chosen: bool | None) -> bool:
    if chosen is None and returns_bool(function):
        warnings.warn(
            f"task {name!r} returns `bool`: an attempt that returns False has failed and is tried "
            "again. Say `false_is_failure=False` if False is a result, `false_is_failure=True` if "
            "it is not",
            stacklevel=2,
        )
    return chosen is not False


def _executor_faults(usual: ExecutorKind, chosen: str | None) -> Iterator[Fault]:
    match chosen:
        case None | ExecutorKind.PROCESS:
            return
        case ExecutorKind.LOOP if usual is not ExecutorKind.LOOP:
            yield Fault("executor", "a `def` would block the loop; make the handler `async def`")
        case ExecutorKind.THREAD if usual is not ExecutorKind.THREAD:
            yield Fault("executor", "an `async def` runs on the loop; make the handler a `def`")
        case ExecutorKind.LOOP | ExecutorKind.THREAD:
            return
        case _:
            yield Fault("executor", f"must be one of {', '.join(ExecutorKind)}, not {chosen!r}")


def _timeout_faults(executor: ExecutorKind, timeout_s: float | None) -> Iterator[Fault]:
    if timeout_s is None:
        return
    is_none = timeout_s == 0 and not isinstance(timeout_s, bool)
    if not is_none and not is_duration(timeout_s):
        yield Fault("timeout_s", "must be a number of seconds, or 0 for no limit")
    if executor is ExecutorKind.THREAD and not is_none:
        yield Fault(
            "timeout_s",
            'a thread cannot be stopped; give it executor="process", or make it `async def`',
        )

"""A handler: the user's function, how it is called, and what its tasks get by default."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from taskqueue.errors import ConfigError, Fault, InvalidTask
from taskqueue.options import Options, is_duration
from taskqueue.signature import AnyFunction, Signature
from taskqueue.tasks import Payload

_payload = msgspec.json.Decoder(Payload)


class ExecutorKind(StrEnum):
    """Where a handler runs."""

    LOOP = "loop"  # `async def`: on the consumer's loop
    THREAD = "thread"  # `def`: in a thread beside it

    @classmethod
    def of(cls, function: AnyFunction) -> "ExecutorKind":
        """Return where this function has to run."""
        return cls.LOOP if inspect.iscoroutinefunction(function) else cls.THREAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A registered function. `options` hold for its tasks unless an enqueue says otherwise."""

    name: str
    function: AnyFunction
    signature: Signature
    executor: ExecutorKind
    options: Options
    timeout_s: float | None

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
    options: Options,
    timeout_s: float | None = None,
) -> Handler:
    """Return `function` as a handler.

    Raises:
        ConfigError: with every fault of the options, the limit and the function's signature.
    """
    executor = ExecutorKind.of(function)
    faults = [*options.faults(), *_timeout_faults(executor, timeout_s)]
    try:
        signature = read_signature(function)
    except ConfigError as error:
        faults.extend(error.faults)
    if faults:
        raise ConfigError(tuple(faults))
    return Handler(
        name=name,
        function=function,
        signature=signature,
        executor=executor,
        options=options,
        timeout_s=timeout_s,
    )


def _timeout_faults(executor: ExecutorKind, timeout_s: float | None) -> Iterator[Fault]:
    if timeout_s is None:
        return
    if not is_duration(timeout_s):
        yield Fault("timeout_s", "must be a number of seconds above 0")
    if executor is ExecutorKind.THREAD:
        yield Fault("timeout_s", "a thread cannot be stopped; make the handler `async def`")

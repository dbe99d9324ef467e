"""Messages: what actors say to each other, and how a class says what it understands.

class Double(Request[int]):
    number: int

class Doubler(Actor):
    @receives(Double)
    def on_double(self, message: Double) -> int:
        return 2 * message.number

assert await ask(doubler, Double(number=4)) == 8
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar

from taskqueue.runtime.exits import ExitReason
from taskqueue.structs import Struct

if TYPE_CHECKING:
    from taskqueue.runtime.ref import ActorRef

# Covariant, so that `len(await ask(…))` is fine with a `Request[list[int]]`: a type checker looks
# for a `Request[Sized]` there.
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])


# Unlike other words they may be part of a cycle, so the garbage collector has to see them: a crash
# holds the frames that handled a message, and the message may hold the reference of who crashed.


class Message(Struct, gc=True):
    """Something said without waiting for an answer."""


class Request(Struct, Generic[R_co], gc=True):
    """Something asked; `R_co` is the type of the answer."""


# --- what the runtime says to an actor ------------------------------------------------------------


class ExitSignal(Message):
    """A linked actor ended, or somebody other than the parent sent an exit signal."""

    sender: "ActorRef | None"
    reason: ExitReason


class Down(Message):
    """A monitored actor ended. `monitor` is what `Actor.monitor` returned."""

    monitor: int
    ref: "ActorRef"
    reason: ExitReason


class ParentExit(Message):
    """The parent told a trapping actor to end, or ended itself. Source: OTP `gen_server`."""

    reason: ExitReason


class StopRequest(Message):
    """Somebody asks for an orderly end with this reason. Source: OTP `gen_server:stop/3`."""

    reason: ExitReason


class GetState(Request[object]):
    """Ask for the actor's state, to debug it. Source: OTP `sys:get_state/1`."""


class GetLog(Request[tuple["Logged", ...]]):
    """Ask for the last messages the actor took. Source: OTP `sys:log/2`."""


class Suspend(Request[None]):
    """Hold ordinary messages back. Source: OTP `sys:suspend/1`."""


class Resume(Request[None]):
    """Serve ordinary messages again. Source: OTP `sys:resume/1`."""


class Logged(Message):
    """One line of an actor's event log."""

    at: float  # seconds of the monotonic clock
    message: str  # the type of what it took


# --- what a class says it understands ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Handling:
    """How one type of message is handled."""

    message: type
    answers: tuple[type[Exception], ...]
    concurrently: bool


def receives(
    message: type, *, answers: tuple[type[Exception], ...] = (), concurrently: bool = False
) -> Callable[[F], F]:
    """Mark a method as the handler of `message`; its return value is the answer to an ask.

    Args:
        message: the exact type.
        answers: declared errors. Raised by the handler they are an answer to the asker; any
            other exception is a crash of the actor.
        concurrently: do not keep the mailbox waiting while this coroutine waits. What it finds
            after an `await` may have changed.
    """

    def mark(method: F) -> F:
        method.handling = Handling(message, answers, concurrently)  # type: ignore[attr-defined]
        return method

    return mark


Handler: TypeAlias = tuple[Callable[..., Any], Handling]


class Handlers(dict[type, Handler]):
    """The handlers of one actor class, by message type."""

    def __init__(self, marked: Iterable[tuple[type, Handler]], unmarked: Handler) -> None:
        super().__init__(marked)
        self._unmarked = unmarked

    def __missing__(self, _: type) -> Handler:
        """Return the handler of all messages that no method is marked for."""
        return self._unmarked

    @classmethod
    def of(cls, actor_class: type, unmarked: Handler) -> Self:
        """Collect the marked methods of a class and its bases.

        A method that overrides a marked one is the handler, marked again or not.
        """
        marked: dict[type, tuple[str, Handling]] = {}
        for base in reversed(actor_class.__mro__):
            for name, method in vars(base).items():
                handling = getattr(method, "handling", None)
                if isinstance(handling, Handling):
                    marked[handling.message] = (name, handling)
        return cls(
            (
                (message, (getattr(actor_class, name), handling))
                for message, (name, handling) in marked.items()
            ),
            unmarked,
        )

"""Messages between actors, and how a class declares which of them it handles.

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
from typing import Any, Generic, Self, TypeAlias, TypeVar

from taskqueue.structs import Struct

# Covariant, so that `len(await ask(…))` is fine with a `Request[list[int]]`: a type checker looks
# for a `Request[Sized]` there.
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])


# Unlike other structs they may be part of a cycle, so the garbage collector has to track them: a
# crash holds the frames that handled a message, and the message may hold that actor's reference.


class Message(Struct, gc=True):
    """A message without an answer."""


class Request(Struct, Generic[R_co], gc=True):
    """A message with an answer of type `R_co`."""


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
        answers: declared errors. If the handler raises one, the caller gets it as the answer; any
            other exception is a crash of the actor.
        concurrently: run this coroutine beside the handlers of later messages; the actor's state
            may change at each `await`. If the actor is idle and on the sender's host, the handler
            begins before the send returns.
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
        """Return the handler of messages without a marked method."""
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

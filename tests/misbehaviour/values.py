"""Values whose own methods raise or return nonsense."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

METHODS = (
    "__repr__",
    "__str__",
    "__eq__",
    "__hash__",
    "__bool__",
    "__len__",
    "__format__",
    "__iter__",
    "__getattr__",
    "__lt__",
    "__reduce_ex__",
)

RAISED: tuple[Callable[[], BaseException], ...] = (
    ValueError,
    KeyError,
    AttributeError,
    RecursionError,
    MemoryError,
    StopIteration,
    StopAsyncIteration,
    asyncio.CancelledError,
    GeneratorExit,
    lambda: SystemExit(3),
    KeyboardInterrupt,
)

NONSENSE = (None, 7, b"bytes", "text", object())


def odd_type(random: Random, *bases: type) -> type:
    """Return a class with methods that raise or return values of wrong types."""
    members = {
        name: _method(random) for name in random.sample(METHODS, random.randint(1, len(METHODS)))
    }
    if random.random() < 0.3:
        members["__class__"] = property(_method(random))
    return type("Odd", bases, members)


def odd(random: Random) -> Any:
    """Return an odd value."""
    base = random.choice((object, str, int, dict, tuple))
    return odd_type(random, base)()


def odd_error(random: Random, base: type[BaseException] = Exception) -> BaseException:
    """Return an exception that is hard to render."""
    error: BaseException = odd_type(random, base)()
    if random.random() < 0.3:
        error.__notes__ = random.choice((7, [object()], [odd(random)]))
    if random.random() < 0.2:
        error.__cause__ = error
    return error


def any_error(random: Random) -> BaseException:
    """Return any exception, odd or not."""
    return random.choice(
        (
            random.choice(RAISED),
            lambda: odd_error(random),
            lambda: odd_error(random, BaseException),
            lambda: SyntaxError("odd", (b"file", 1, 2, b"text")),
            lambda: ExceptionGroup("many", [odd_error(random), ValueError()]),  # type: ignore[list-item]
        )
    )()


def _method(random: Random) -> Callable[..., Any]:
    error, nonsense = random.choice(RAISED), random.choice(NONSENSE)
    raises = random.random() < 0.8

    def method(*_: Any) -> Any:
        if raises:
            raise error()
        return nonsense

    return method

"""Renders what user code made, for errors and logs; never raises.

An exception or a value of user code may fail in `__str__`, `__repr__`, `__notes__`, or any other
attribute that is read on the way. Then what could be rendered is kept, and the failure is named:

    ValueError: no such user
    Unprintable: <no text: KeyError>

All of it can be encoded as UTF-8 and stored.

While such code runs, no event loop is the running one. So it can neither hide nor stop the loop of
its caller, nor cancel the caller's task.
"""

import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

_module_name = type.__dict__["__module__"].__get__
_type_name = type.__dict__["__qualname__"].__get__
_traceback_of = BaseException.__dict__["__traceback__"].__get__


def type_name(value: object) -> str:
    """Return the name of the type of `value`, whatever its metaclass says.

    >>> type_name(ValueError())
    'ValueError'
    """
    return str.__str__(_type_name(type(value)))


def text(value: object) -> str:
    """Return `str(value)`, or the error that it raised."""
    return _rendered(str, value)


def shown(value: object, *, most: int) -> str:
    """Return `repr(value)`, or the error that it raised, cut to `most` characters."""
    whole = _rendered(repr, value)
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def error_line(error: BaseException) -> str:
    """Return the type and the text of an exception, in one line.

    >>> error_line(ValueError("no such\\nuser"))
    'ValueError: no such user'
    """
    try:
        line = _apart(_format_only, error)
    except BaseException:  # noqa: BLE001 - from code of the exception
        line = f"{_full_type_name(error)}: {text(error)}"
    return " ".join(storable(line).split())


def error_traceback(error: BaseException, frames: TracebackType | None) -> str:
    """Return an exception's traceback from `frames` on, with its causes if they can be rendered."""
    try:
        return storable("".join(_apart(traceback.format_exception, type(error), error, frames)))
    except BaseException:  # noqa: BLE001 - as above
        return storable("".join([*_frames(frames), error_line(error), "\n"]))


def frames_of(error: BaseException) -> TracebackType | None:
    """Return the frames that an exception came through, whatever its attributes say."""
    frames: TracebackType | None = _traceback_of(error)
    return frames


def exception_in(exc_info: Any) -> BaseException | None:
    """Return the exception that the `exc_info` of a log call is, holds, or asks for."""
    if issubclass(type(exc_info), BaseException):
        error: BaseException = exc_info
        return error
    if type(exc_info) is tuple:
        return next((each for each in exc_info if issubclass(type(each), BaseException)), None)
    try:
        return sys.exception() if exc_info else None
    except BaseException:  # noqa: BLE001 - its `__bool__` may raise anything
        return None


def storable(text: str) -> str:
    """Return `text` with escapes for NUL, which many tools reject, and for what is not UTF-8.

    >>> storable("half \\ud800 and \\0")
    'half \\\\ud800 and \\\\x00'
    """
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()


def _full_type_name(error: BaseException) -> str:
    """Return the name that `traceback` prints before the colon."""
    module = text(_module_name(type(error)))
    name = type_name(error)
    return name if module in {"__main__", "builtins"} else f"{module}.{name}"


def _frames(frames: TracebackType | None) -> list[str]:
    try:
        return ["Traceback (most recent call last):\n", *_apart(traceback.format_tb, frames)]
    except BaseException:  # noqa: BLE001 - from a module's own loader
        return []


def _format_only(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error).format_exception_only())


def _rendered(render: Callable[[Any], str], value: object) -> str:
    try:
        rendered = _apart(render, value)
        return storable(str.__str__(rendered))  # a subclass may have methods of its own
    except BaseException as error:  # noqa: BLE001 - from code of the value
        return f"<no text: {type_name(error)}>"


def _apart(render: Callable[..., T], *arguments: Any) -> T:
    asyncio = sys.modules.get("asyncio.events")  # not imported by what runs no loop
    if asyncio is None:
        return render(*arguments)
    loop = asyncio._get_running_loop()  # noqa: SLF001 - there is no public way to hide it
    asyncio._set_running_loop(None)  # noqa: SLF001
    try:
        return render(*arguments)
    finally:
        asyncio._set_running_loop(loop)  # noqa: SLF001

"""An app whose handlers raise and return what is hard to render, convert or encode.

Each body is one function, so that it can run on a loop, in a thread and in a process.
"""

import asyncio
import contextlib
import datetime as dt
import enum
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

import msgspec

from taskqueue import App, Cancel, Context, Reject, Retry, Snooze

app = App()


# --- exceptions that cannot be rendered -----------------------------------------------------------


class Broken(Exception):
    """An exception whose every attribute may fail."""


class AnyAttribute(Broken):
    """From a bug report of structlog: looks up every attribute in data that is not there."""

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["data"][name]


class NoAttribute(Broken):
    def __getattribute__(self, name: str) -> Any:
        raise KeyError(name)


class NotesFail(Broken):
    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise KeyError("notes")


class NotesRecurse(Broken):
    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        return [*self.__notes__, "again"]


class NoTruth(Broken):
    def __bool__(self) -> bool:
        raise KeyError("bool")

    def __len__(self) -> int:
        raise KeyError("len")


class NoText(Broken):
    def __str__(self) -> str:
        raise KeyError("str")

    __repr__ = __str__


class TextExits(Broken):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


class TextIsNone(Broken):
    def __str__(self) -> str:
        return None  # type: ignore[return-value]  # noqa: PLE0307 - a mistake


class OwnText(str):
    """Text whose methods fail."""

    __slots__ = ()

    def __str__(self) -> str:
        raise KeyError("str")

    def replace(self, *_: Any) -> NoReturn:
        raise KeyError("replace")

    encode = split = __format__ = replace  # type: ignore[assignment]


class TextIsOwnText(Broken):
    def __str__(self) -> str:
        return OwnText("text")


class NotUnicode(Broken):
    def __str__(self) -> str:
        return "half \ud800 and \0"


class ClassFails(Broken):
    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise KeyError("class")


class CauseFails(Broken):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise KeyError("cause")


class _Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise KeyError(name)


class TypeFails(Broken, metaclass=_Meta):
    pass


def odd_syntax_error(**attributes: Any) -> SyntaxError:
    error = SyntaxError("odd")
    error.filename, error.lineno, error.offset, error.text = "f.py", 1, 1, "x"
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


class Cancels(Broken):
    """Cancels whatever task renders it."""

    def __str__(self) -> str:
        with contextlib.suppress(RuntimeError):  # no loop runs here
            if (task := asyncio.current_task()) is not None:
                task.cancel()
        return "text"


class HidesTheLoop(Broken):
    def __str__(self) -> str:
        asyncio._set_running_loop(None)
        return "text"


ERRORS: dict[str, Callable[[], BaseException]] = {
    **{
        kind: (lambda made=made: made("text"))  # type: ignore[misc]
        for kind, made in {
            "AnyAttribute": AnyAttribute,
            "NoAttribute": NoAttribute,
            "NotesFail": NotesFail,
            "NotesRecurse": NotesRecurse,
            "NoTruth": NoTruth,
            "NoText": NoText,
            "TextExits": TextExits,
            "TextIsNone": TextIsNone,
            "TextIsOwnText": TextIsOwnText,
            "NotUnicode": NotUnicode,
            "ClassFails": ClassFails,
            "CauseFails": CauseFails,
            "TypeFails": TypeFails,
            "Cancels": Cancels,
            "HidesTheLoop": HidesTheLoop,
        }.items()
    },
    "SyntaxError bytes": lambda: odd_syntax_error(text=b"bytes"),
    "SyntaxError offset": lambda: odd_syntax_error(offset="7"),
    "SyntaxError lineno": lambda: odd_syntax_error(lineno=[1], end_offset=-1),
}


# --- verdicts of user code ------------------------------------------------------------------------


class Busy(Retry):
    """Does not call the base, as people do."""

    def __init__(self, resource: str) -> None:
        self.resource = resource


class Late(Snooze):
    def __init__(self) -> None:
        pass


class LateBy(Snooze):
    """Sets the delay itself."""

    def __init__(self, delay_s: object) -> None:
        self.delay_s = delay_s  # type: ignore[assignment]


class NoUser(Reject):
    def __init__(self, user: str) -> None:
        self.user = user


class Gone(Cancel):
    def __init__(self) -> None:
        pass


class ReasonFails(Reject):
    def __init__(self) -> None:
        pass

    @property
    def reason(self) -> str:  # type: ignore[override]
        raise KeyError("reason")


def changed(verdict: Exception, **attributes: object) -> Exception:
    for name, value in attributes.items():
        setattr(verdict, name, value)
    return verdict


# --- numbers and text of other types --------------------------------------------------------------


class Int(int):
    """An int that fails at whatever it is asked."""

    def __int__(self) -> int:
        raise KeyError("int")

    __index__ = __int__
    __add__ = __radd__ = __float__ = __repr__ = __int__  # type: ignore[assignment]


class Float(float):
    def __float__(self) -> float:
        raise KeyError("float")

    __add__ = __radd__ = __int__ = __repr__ = __float__  # type: ignore[assignment]


class Float32:
    """Behaves as a scalar of numpy that is no `float`."""

    ndim = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value

    def item(self) -> float:
        return self.value


class Int64:
    """Behaves as an integer of numpy, which is no `int`."""

    ndim = 0

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    __int__ = __index__

    def item(self) -> int:
        return self.value


class Bool:
    """Behaves as a truth value of numpy."""

    ndim = 0

    def __init__(self, value: bool) -> None:
        self.value = value

    def item(self) -> bool:
        return self.value


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 2


DELAYS: dict[str, Callable[[], object]] = {
    "Decimal": lambda: Decimal(2),
    "Fraction": lambda: Fraction(2),
    "int": lambda: 2,
    "Int": lambda: Int(2),
    "Float": lambda: Float(2.0),
    "Float32": lambda: Float32(2.0),
    "Int64": lambda: Int64(2),
    "IntEnum": lambda: Level.HIGH,
}
NO_DELAYS: dict[str, Callable[[], object]] = {
    "True": lambda: True,
    "text": lambda: "2",
    "None": lambda: None,
    "NaN": lambda: Decimal("NaN"),
    "negative": lambda: Decimal(-1),
    "endless": lambda: Float(float("inf")),
    "complex": lambda: 2j,
    "list": lambda: [2],
}


class NoOffset(dt.tzinfo):
    """A time zone with a bug."""

    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        return {}["offset"]  # type: ignore[no-any-return]

    def tzname(self, _: dt.datetime | None) -> str:
        return "nowhere"

    def dst(self, _: dt.datetime | None) -> None:
        return None


class OffsetExits(NoOffset):
    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        raise SystemExit(3)


class ZoneCancels(dt.tzinfo):
    """A time zone that cancels whatever task asks for it."""

    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        str(Cancels())
        return dt.timedelta(0)


RESULTS: dict[str, tuple[Callable[[], object], str]] = {
    "Int": (lambda: Int(7), "7"),
    "Float": (lambda: Float(1.5), "1.5"),
    "OwnText": (lambda: OwnText("a"), '"a"'),
    "keys": (lambda: {OwnText("a"): 1, Int(2): 2}, '{"a":1,"2":2}'),
    "Int64": (lambda: [Int64(7)], "[7]"),
    "Float32": (lambda: {"x": Float32(0.5)}, '{"x":0.5}'),
    "Bool": (lambda: Bool(True), "true"),
    "nested": (lambda: {"a": [Int(1), None, Float32(2.0)]}, '{"a":[1,null,2.0]}'),
    "Decimal": (lambda: Decimal("1.50"), '"1.50"'),
    "bytes": (lambda: b"x", '"eA=="'),
    "Enum": (lambda: [Color.RED, Level.HIGH], '["red",2]'),
    "date": (lambda: dt.date(2026, 1, 2), '"2026-01-02"'),
    "zone cancels": (
        lambda: dt.datetime(2026, 1, 1, tzinfo=ZoneCancels()),
        '"2026-01-01T00:00:00Z"',
    ),
    "good Raw": (lambda: {"a": msgspec.Raw(b'{"b":null}')}, '{"a":{"b":null}}'),
}
NO_RESULTS: dict[str, tuple[Callable[[], object], str]] = {
    "nan": (lambda: float("nan"), "contains nan, for which JSON has no word"),
    "nested inf": (
        lambda: {"a": [None, {"b": (float("-inf"),)}]},
        "contains -inf, for which JSON has no word",
    ),
    "Float32 nan": (lambda: Float32(float("nan")), "contains nan, for which JSON has no word"),
    "Float nan": (lambda: Float("nan"), "contains nan, for which JSON has no word"),
    "Raw": (lambda: msgspec.Raw(b"x"), "JSON is malformed: invalid character (byte 0)"),
    "nested Raw": (lambda: {"a": msgspec.Raw(b"1,")}, "JSON is malformed"),
    "Fraction": (lambda: Fraction(1, 2), "Encoding objects of type Fraction is unsupported"),
    "zone": (lambda: dt.datetime(2026, 1, 1, tzinfo=NoOffset()), "KeyError: 'offset'"),
    "zone exits": (lambda: dt.datetime(2026, 1, 1, tzinfo=OffsetExits()), "SystemExit: 3"),
}


FALSE = {"False": (lambda: Bool(False), "false")}


# --- the handlers ---------------------------------------------------------------------------------


def misbehave(kind: str, name: str) -> object:
    """Do one of these."""
    match kind:
        case "error":
            raise ERRORS[name]()
        case "retry":
            raise Retry(after_s=(DELAYS | NO_DELAYS)[name]())  # type: ignore[arg-type]
        case "snooze":
            raise Snooze((DELAYS | NO_DELAYS)[name]())  # type: ignore[arg-type]
        case "late by":
            raise LateBy((DELAYS | NO_DELAYS)[name]())
        case "verdict":
            raise VERDICTS[name]()
        case "result":
            return (RESULTS | NO_RESULTS | FALSE)[name][0]()
    raise AssertionError(kind)


VERDICTS: dict[str, Callable[[], BaseException]] = {
    "Busy": lambda: Busy("db"),
    "Late": Late,
    "NoUser": lambda: NoUser("ann"),
    "Gone": Gone,
    "ReasonFails": ReasonFails,
    "reason later": lambda: changed(Reject("a"), reason=Int(7)),
    "delay later": lambda: changed(Retry(), after_s=Decimal(2)),
    "no delay later": lambda: changed(Snooze(1), delay_s=None),
}


@app.task("loop")
async def on_loop(ctx: Context, kind: str, name: str) -> object:
    return misbehave(kind, name)


@app.task("thread")
def in_thread(ctx: Context, kind: str, name: str) -> object:
    return misbehave(kind, name)


@app.task("process", executor="process")
def in_process(ctx: Context, kind: str, name: str) -> object:
    return misbehave(kind, name)


@app.task("process loop", executor="process")
async def in_process_loop(ctx: Context, kind: str, name: str) -> object:
    return misbehave(kind, name)

"""What a setting's value may be, and how it is read.

Every source gives its values to the same `Kind`, so `8080` in a file and `"8080"` in the
environment mean the same and are refused in the same words.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from taskqueue.rules.names import is_name
from taskqueue.storage.backend import Database
from taskqueue.storage.databases import DATABASES, named

AUTO = "auto"
DAY_S = 86_400.0
_UNITS = {"d": DAY_S, "h": 3600.0, "m": 60.0, "s": 1.0}


class Kind(ABC):
    """The values that one setting accepts."""

    metavar: str  # stands for the value in `--help`

    @property
    @abstractmethod
    def expected(self) -> str:
        """What is accepted, to follow the word "expected"."""

    @abstractmethod
    def parse(self, value: object) -> object | None:
        """Return what `value` means, None if it is not accepted."""

    def read(self, value: object) -> object:
        """Return what `value` means.

        Raises:
            ValueError: it is not accepted; the text says what is.
        """
        meant = self.parse(value)
        if meant is None:
            raise ValueError(f"expected {self.expected}, got {value!r}")
        return meant

    def spell(self, value: object) -> str:
        """Return `value` as one would write it, without any password."""
        return str(value)


@dataclass(frozen=True)
class Integer(Kind):
    """A whole number, both ends included."""

    least: int
    most: int
    metavar = "INTEGER"

    @property
    def expected(self) -> str:
        return f"an integer between {self.least} and {self.most}"

    def parse(self, value: object) -> int | None:
        if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return value if self.least <= value <= self.most else None


@dataclass(frozen=True)
class AutoInteger(Kind):
    """A whole number, both ends included, or `auto`."""

    least: int
    most: int
    metavar = "INTEGER|auto"

    @property
    def expected(self) -> str:
        return f"{Integer(self.least, self.most).expected}, or auto"

    def parse(self, value: object) -> int | str | None:
        return AUTO if value == AUTO else Integer(self.least, self.most).parse(value)


@dataclass(frozen=True)
class Number(Kind):
    """A number, both ends included."""

    least: float
    most: float
    metavar = "NUMBER"

    @property
    def expected(self) -> str:
        return f"a number between {self.least:g} and {self.most:g}"

    def parse(self, value: object) -> float | None:
        number = _number(value)
        if number is None or not self.least <= number <= self.most:
            return None
        return float(number)

    def spell(self, value: object) -> str:
        return f"{value:g}"


@dataclass(frozen=True)
class Duration(Kind):
    """A time span, kept in seconds, both ends included."""

    least_s: float = 0.0
    most_s: float = 365 * DAY_S
    metavar = "DURATION"

    @property
    def expected(self) -> str:
        ends = f"{self.spell(self.least_s)} and {self.spell(self.most_s)}"
        return f"a duration between {ends} (such as 30s, 5m, 1h30m, or a number of seconds)"

    def parse(self, value: object) -> float | None:
        number = _number(value)
        if number is None and isinstance(value, str):
            number = _spelled_seconds(value)
        if number is None or not self.least_s <= number <= self.most_s:
            return None
        return float(number)

    def spell(self, value: object) -> str:
        seconds = float(str(value))
        unit = next((unit for unit, size in _UNITS.items() if seconds >= size), "s")
        return f"{seconds / _UNITS[unit]:g}{unit}"


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words; upper and lower case are the same."""

    words: tuple[str, ...]
    metavar = "WORD"

    @property
    def expected(self) -> str:
        return f"one of {', '.join(self.words)}"

    def parse(self, value: object) -> str | None:
        if not isinstance(value, str):
            return None
        return next((word for word in self.words if word.lower() == value.lower()), None)


class Switch(Kind):
    """Yes or no."""

    metavar = ""
    expected = "true or false"
    _words: ClassVar = {
        **dict.fromkeys(("true", "yes", "on", "1"), True),
        **dict.fromkeys(("false", "no", "off", "0"), False),
    }

    def parse(self, value: object) -> bool | None:
        if isinstance(value, str):
            return self._words.get(value.lower())
        return value if isinstance(value, bool) else None

    def spell(self, value: object) -> str:
        return str(value).lower()


@dataclass(frozen=True)
class Text(Kind):
    """A text of a given form."""

    pattern: str
    form: str
    metavar: str

    @property
    def expected(self) -> str:
        return self.form

    def parse(self, value: object) -> str | None:
        fits = isinstance(value, str) and re.fullmatch(self.pattern, value)
        return str(value) if fits else None


@dataclass(frozen=True)
class Counts(Kind):
    """How many of something each of some names has: a table, or `mail=2,reports=1`."""

    of: str
    least: int
    most: int
    metavar = "NAME=N,…"

    @property
    def expected(self) -> str:
        return f"{self.of} with a number between {self.least} and {self.most} each (mail=2,bulk=1)"

    def parse(self, value: object) -> dict[str, int] | None:
        counts = _spelled_counts(value) if isinstance(value, str) else value
        if not isinstance(counts, Mapping):
            return None
        number = Integer(self.least, self.most)
        read = {name: number.parse(count) for name, count in counts.items()}
        counted = {name: count for name, count in read.items() if count is not None}
        return counted if len(counted) == len(counts) and all(map(is_name, counts)) else None

    def spell(self, value: object) -> str:
        return ",".join(f"{name}={count}" for name, count in dict(value).items())  # type: ignore[call-overload]


class DatabaseURL(Kind):
    """A database, by the URL of one of the engines or by the path of a file."""

    metavar = "PATH|URL"
    expected = f"a path or a URL ({', '.join(f'{scheme}:' for scheme in DATABASES)})"

    def parse(self, value: object) -> Database | None:
        if isinstance(value, Database):
            return value
        return named(str(value)) if isinstance(value, str | Path) else None


@dataclass(frozen=True)
class EngineURL(Kind):
    """Another database of one engine; nothing: there is none."""

    engine: type[Database]
    metavar = "URL"

    @property
    def expected(self) -> str:
        return f"a URL of this engine ({self.engine.example}), or nothing"

    def read(self, value: object) -> object:
        return None if value == "" else super().read(value)

    def parse(self, value: object) -> Database | None:
        meant = named(value) if isinstance(value, str) else value
        return meant if isinstance(meant, self.engine) else None

    def spell(self, value: object) -> str:
        return "" if value is None else str(value)


def _number(value: object) -> float | None:
    """Return a number as it is, which may still be none of any range (`nan`, 400 digits)."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def _spelled_counts(text: str) -> dict[str, str] | None:
    """Return the pairs of `mail=2,reports=1`, None if a name comes twice or has no number."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    counts = {name.strip(): count.strip() for name, _, count in pairs}
    return counts if len(counts) == len(pairs) else None


def _spelled_seconds(text: str) -> float | None:
    """Return the seconds of a span such as `1h30m`: larger units first, each at most once."""
    pattern = "".join(rf"(?:(?P<{unit}>[0-9]+(?:\.[0-9]+)?){unit})?" for unit in _UNITS)
    spelled = re.fullmatch(pattern, text)
    if spelled is None or not text:
        return None
    return sum(float(spelled[unit] or 0.0) * size for unit, size in _UNITS.items())

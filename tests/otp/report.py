"""What differs between two traces, for people to read: expected beside got."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from tests.otp.canonical import Json, compact

WIDTH = 60
MISSING = "-"


@dataclass(frozen=True)
class Difference:
    """One part of a trace that is not alike."""

    where: str
    expected: Json
    got: Json

    def lines(self) -> Iterator[str]:
        """Return both, side by side; the first line that differs is marked."""
        yield f"  {self.where}"
        yield f"     {'expected':{WIDTH}} | got"
        marked = False
        for expected, got in zip_longest(_rows(self.expected), _rows(self.got), fillvalue=MISSING):
            mark = ">>" if expected != got and not marked else "  "
            marked = marked or expected != got
            yield f"  {mark} {expected:{WIDTH}} | {got}"


def differences(scenario: Json, expected: Json, got: Json) -> Iterator[Difference]:
    """Return what is not alike, in the order in which it happened."""
    yield from _parts("start", expected["start"], got["start"])
    steps = zip_longest(scenario["actions"], expected["steps"], got["steps"])
    for number, (action, wanted, seen) in enumerate(steps, start=1):
        yield from _parts(f"step {number} {compact(action)}", wanted, seen)
    yield from _parts("final", expected["final"], got["final"])
    yield from _parts("cleanup", expected["cleanup"], got["cleanup"])
    if expected["leaked"] != got["leaked"]:
        yield Difference("leaked", expected["leaked"], got["leaked"])


def _parts(where: str, expected: Json, got: Json) -> Iterator[Difference]:
    if not isinstance(expected, dict) or not isinstance(got, dict):
        if expected != got:
            yield Difference(where, expected, got)
        return
    for key in [*expected, *(key for key in got if key not in expected)]:
        if expected.get(key) != got.get(key):
            yield Difference(f"{where}: {key}", expected.get(key), got.get(key))


def _rows(value: Json) -> list[str]:
    """Return one line for each element of a list, else one line."""
    return [_row(each) for each in value] if isinstance(value, list) else [_row(value)]


def _row(value: Json) -> str:
    match value:
        case {"e": what, "path": path, "n": n, **rest}:
            return " ".join([what, f"{'/'.join(path)}#{n}", *map(compact, rest.values())])
        case str():
            return value
        case _:
            return compact(value)

"""Statements that take many rows at once.

sqlite3 gives up the interpreter's lock at each step of a statement, and `executemany` takes a step
or two per row. A thread that wants it back waits until another, which computes, gives it up: what
took ten microseconds takes milliseconds. So a statement takes a whole batch in one step.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

T = TypeVar("T")

_MOST = 256
_STEP = 16


def chunks(rows: Sequence[T], *, most: int = _MOST) -> Iterator[Sequence[T]]:
    """Cut `rows` into pieces of few different lengths, `most` a multiple of 16.

    A statement has another text for each length, and only so many of them stay prepared.
    """
    at = 0
    while (left := len(rows) - at) > 0:
        length = left if left < _STEP else min(left - left % _STEP, most)
        yield rows[at : at + length]
        at += length


class Bulk:
    """A statement whose text has `{rows}` where `VALUES` lists its rows, and `column1…` for theirs.

    What all rows share is written `?1`, `?2` and so on, before the rows.
    """

    def __init__(self, text: str) -> None:
        columns = max(map(int, re.findall(r"column(\d+)", text)))
        self._text = text
        self._row = f"({', '.join('?' * columns)})"
        self._of_length: dict[int, str] = {}

    def run(self, db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], *shared: object) -> int:
        """Execute it for all rows; return how many rows of the table it has changed."""
        return sum(
            db.execute(self.text(len(chunk)), (*shared, *chain.from_iterable(chunk))).rowcount
            for chunk in chunks(rows)
        )

    def text(self, rows: int) -> str:
        """Return the statement for so many rows, the same object each time."""
        text = self._of_length.get(rows)
        if text is None:
            text = self._text.replace("{rows}", ", ".join([self._row] * rows))
            self._of_length[rows] = text
        return text

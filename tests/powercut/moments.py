"""Chooses when to cut the power, and what the disk then has of what was not synced.

Where a missing sync does harm is known, and chance alone may miss it: a log begins anew only now
and then. So a part of the cuts is made there, each with the loss that would show it.
"""

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from tests.powercut.disk import Kept, by_chance, everything, nothing
from tests.powercut.trace import Kind, Record

_LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")  # https://sqlite.org/fileformat2.html


class Moment(Enum):
    """What has just happened."""

    NEW_LOG = auto()  # what the log held before is in the database, or nowhere
    ACKNOWLEDGED = auto()  # a client was told something: it must be on the disk
    CHECKPOINT = auto()  # a page was written into the database: the log must be on the disk
    ANY = auto()


def begins_log(record: Record) -> bool:
    """Tell whether this write begins a log of SQLite, after which the one before counts no more."""
    return record.kind is Kind.WRITE and record.at == 0 and record.data[:4] in _LOG_MAGIC


def cuts(
    trace: Sequence[Record], notes: Sequence[int], since: int, count: int, draw: random.Random
) -> dict[int, Moment]:
    """Return the numbers of the records that a cut follows: most of them after `since`.

    `notes` are the positions at which clients were told something. Each kind of moment that there
    is after `since` gets some of the `count` cuts, and chance the others.
    """
    late = [number for number, record in enumerate(trace) if record.end >= since]
    found = _moments(trace, notes, late)
    some = count // 6
    directed = {
        number: moment
        for moment, numbers in found.items()
        for number in draw.sample(numbers, min(len(numbers), some))
    }
    rest = count - len(directed)
    others = draw.sample(late, min(len(late), rest * 3 // 4))
    others += draw.sample(range(len(trace)), min(len(trace), rest - len(others)))
    return dict.fromkeys(others, Moment.ANY) | directed


def kept(moment: Moment, draw: random.Random, *, smashes: bool) -> Kept:
    """Return what of the unsynced is on the disk: at a known moment, what shows a missing sync."""
    match moment:
        case Moment.NEW_LOG:
            return Kept(database=nothing, log=everything, names=1.0)
        case Moment.ACKNOWLEDGED:
            return Kept(database=nothing, log=nothing, names=0.0)
        case Moment.CHECKPOINT:
            return Kept(database=everything, log=nothing, names=0.0)
        case Moment.ANY:
            return by_chance(draw, smashes=smashes)


def _moments(
    trace: Sequence[Record], notes: Sequence[int], late: Sequence[int]
) -> Mapping[Moment, Sequence[int]]:
    databases = {
        record.file
        for record in trace
        if record.kind is Kind.CREATE and record.name.endswith(".db")
    }
    ends = [record.end for record in trace]
    told = {bisect_left(ends, position) for position in notes}
    return {
        Moment.NEW_LOG: [number for number in late if begins_log(trace[number])],
        Moment.ACKNOWLEDGED: sorted(told.intersection(late)),
        Moment.CHECKPOINT: [
            number
            for number in late
            if trace[number].kind is Kind.WRITE and trace[number].file in databases
        ],
    }

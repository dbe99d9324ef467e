"""What handlers of limited actions say of themselves: when they began, when they ended. Pure.

A process that is killed says nothing of its end. So each handler that begins tells which processes
live at that moment: a run without an end lasts as long as others see its process alive.
"""

from collections.abc import Iterable, Mapping

import msgspec

from taskqueue.structs import Struct


class Begun(Struct, tag="begun"):
    """A handler begins: the last words of some, if their process is killed."""

    run: str
    task: str
    keys: tuple[str, ...]  # of the limits that it counts towards
    process: str
    at: float  # on the monotonic clock, which all processes of a machine share
    beside: tuple[str, ...]  # the other processes that live, looked at after `at`
    node: str = ""  # the service of the process, if there are several


class Over(Struct, tag="over"):
    """A handler has come to its end, well or badly."""

    run: str
    at: float


class HandlerRun(Struct):
    """One run of a handler, as far as it could tell."""

    task: str
    keys: tuple[str, ...]
    process: str
    began_at: float
    ended_at: float | None  # None: its process was killed, or it runs on
    beside: tuple[str, ...]
    node: str = ""

    def overlaps(self, later: "HandlerRun") -> bool:
        """Return whether this run had certainly not ended when a later one began."""
        if self.ended_at is not None:
            return self.ended_at > later.began_at
        return self.process == later.process or self.process in later.beside


decode = msgspec.json.Decoder(Begun | Over).decode
encode = msgspec.json.Encoder().encode


def runs(told: Iterable[Begun | Over]) -> list[HandlerRun]:
    """Return the runs that were told of, in the order of their beginnings."""
    begun, over = [], {}
    for each in told:
        match each:
            case Begun():
                begun.append(each)
            case Over(run=run, at=at):
                over[run] = at
    return sorted((_run(each, over) for each in begun), key=lambda run: run.began_at)


def _run(begun: Begun, over: Mapping[str, float]) -> HandlerRun:
    return HandlerRun(
        task=begun.task,
        keys=begun.keys,
        process=begun.process,
        began_at=begun.at,
        ended_at=over.get(begun.run),
        beside=begun.beside,
        node=begun.node,
    )

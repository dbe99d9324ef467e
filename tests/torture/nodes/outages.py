"""What handlers can prove of limits when nodes freeze and servers crash. Pure.

A slot belongs to a lease. A node that is frozen, killed, or cut from the database for longer than
its leases last has lost its slots, though its handlers run on: the next tasks may begin beside
them, and that is no broken promise. So a run counts as long as its node could extend the lease: to
the end of the handler or, if an outage came before, for as long as the lease was sure to last.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from taskqueue.verification.evidence import HandlerRun


@dataclass(frozen=True)
class Outage:
    """A time in which a node extends no lease; on the clock of the evidence."""

    node: str | None  # None: all of them
    began_at: float
    ended_at: float = math.inf  # a killed node comes back as another one


def sure(
    runs: Iterable[HandlerRun], outages: Sequence[Outage], *, sure_s: float
) -> list[HandlerRun]:
    """Return the runs, each cut to the time in which it had its slot for certain.

    Args:
        runs: what the handlers have told.
        outages: of their nodes.
        sure_s: how long a lease surely lasts from the beginning of an outage on.
    """
    joined = [
        outage
        for node in {outage.node for outage in outages}
        for outage in _joined([each for each in outages if each.node == node], sure_s)
    ]
    return [_cut(run, joined, sure_s) for run in runs]


def _joined(outages: Sequence[Outage], sure_s: float) -> list[Outage]:
    """Join outages of a node between which no lease may have been extended."""
    found: list[Outage] = []
    for outage in sorted(outages, key=lambda each: each.began_at):
        if found and outage.began_at < found[-1].ended_at + sure_s / 2:
            last = found.pop()
            ended_at = max(last.ended_at, outage.ended_at)
            found.append(Outage(last.node, last.began_at, ended_at))
        else:
            found.append(outage)
    return found


def _cut(run: HandlerRun, outages: Iterable[Outage], sure_s: float) -> HandlerRun:
    ended_at = math.inf if run.ended_at is None else run.ended_at
    sure_until = min(
        (
            outage.began_at + sure_s
            for outage in outages
            if outage.node in (None, run.node)
            and run.began_at < outage.ended_at
            and outage.began_at + sure_s < min(ended_at, outage.ended_at)
        ),
        default=math.inf,
    )
    return replace(run, ended_at=sure_until) if sure_until < ended_at else run

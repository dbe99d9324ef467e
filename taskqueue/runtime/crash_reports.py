"""Crash reports: the state of an actor when it crashed. Source: OTP `proc_lib`."""

from collections.abc import Iterable

from taskqueue.events import events
from taskqueue.foreign.inspection import shape_of
from taskqueue.runtime.cell import Cell
from taskqueue.runtime.exits import ExitReason, Killed, exception_of, is_orderly
from taskqueue.runtime.links import Peer


def report_end(cell: Cell, reason: ExitReason) -> None:
    """Publish the crash report, before links and monitors learn of it. Orderly ends have none."""
    if is_orderly(reason) or isinstance(reason, Killed):
        events.debug("actor_exited", actor=cell.label, reason=str(reason))
        return
    links = tuple(cell.links or ())
    events.error(
        "actor_crashed",
        actor=cell.label,
        reason=str(reason),
        last_message=None if cell.last_message is None else shape_of(cell.last_message),
        messages=len(cell.mailbox),
        parent=None if cell.parent is None else cell.parent.label,
        children=_labels(peer for peer in links if peer.parent is cell),
        links=_labels(links),
        monitors=_labels(tuple((cell.watching or {}).values())),
        exc_info=exception_of(reason),
    )


def _labels(cells: Iterable[Peer]) -> list[str]:
    return [cell.label for cell in cells]

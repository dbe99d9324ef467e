"""What an actor is doing, for debugging. The actor is not asked, so this works if it hangs.

    info = process_info(ref)
    print(info.status, info.handling, info.handling_s, info.mailbox)

Source: OTP `erlang:process_info/1`.
"""

from collections.abc import Iterable
from enum import StrEnum
from time import monotonic

from taskqueue.foreign.inspection import name_of
from taskqueue.runtime.cell import Cell, cell_of
from taskqueue.runtime.links import Peer
from taskqueue.runtime.messages import Message
from taskqueue.runtime.ref import ActorRef


class Status(StrEnum):
    """What an actor is doing."""

    STARTING = "starting"  # its `on_start` has not returned
    WAITING = "waiting"  # for a message
    RUNNING = "running"  # a handler
    SUSPENDED = "suspended"  # by `suspend`: its messages wait
    ENDING = "ending"  # it takes no more messages


class ProcessInfo(Message):
    """A snapshot of one actor. Other actors are given by label, durations in seconds."""

    actor: str
    status: Status
    mailbox: int  # messages that wait
    oldest_message_s: float | None  # how long the first of them has waited
    handling: str | None  # the type of the message that is being handled
    handling_s: float | None  # for how long
    handled: int  # messages so far, as of its last pause
    tasks: int  # coroutines that run beside the handler
    parent: str | None  # None: it was started from outside
    children: tuple[str, ...]  # those linked to it
    links: tuple[str, ...]
    monitors: tuple[str, ...]  # the actors it watches
    monitored_by: tuple[str, ...]
    trap_exit: bool
    thread: str


def process_info(ref: ActorRef) -> ProcessInfo | None:
    """Return what an actor is doing now, None if it has ended. From any thread."""
    cell = cell_of(ref)
    with cell.system.lock:
        if cell.exit_reason is not None:
            return None
        links = tuple(cell.links or ())
        watched = tuple((cell.watching or {}).values())
        watchers = tuple(monitor.observer for monitor in (cell.monitors or {}).values())
    now, status = monotonic(), _status(cell)
    handling, since = _handling(cell) if status == Status.RUNNING else (None, None)
    oldest_at = cell.mailbox.oldest_at()
    return ProcessInfo(
        actor=cell.label,
        status=status,
        mailbox=len(cell.mailbox),
        oldest_message_s=None if oldest_at is None else now - oldest_at,
        handling=handling,
        handling_s=None if since is None else now - since,
        handled=cell.handled,
        tasks=len(cell.tasks or ()),
        parent=None if cell.parent is None else cell.parent.label,
        children=_labels(peer for peer in links if peer.parent is cell),
        links=_labels(links),
        monitors=_labels(watched),
        monitored_by=_labels(watchers),
        trap_exit=cell.trap_exit,
        thread=cell.host.thread.name,
    )


def _status(cell: Cell) -> Status:
    if cell.ending or cell.is_doomed:
        return Status.ENDING
    if not cell.born:
        return Status.STARTING
    if cell.mailbox.is_suspended:
        return Status.SUSPENDED
    return Status.WAITING if cell.is_idle else Status.RUNNING


def _handling(cell: Cell) -> tuple[str | None, float | None]:
    try:
        at, kind = cell.history[-1]
    except IndexError:  # it has only just begun, or keeps no log
        return None, None
    return name_of(kind), at


def _labels(cells: Iterable[Peer]) -> tuple[str, ...]:
    return tuple(cell.label for cell in cells)

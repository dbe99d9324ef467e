"""Snapshots and pictures of a supervision tree."""

import asyncio
from typing import TypeGuard

import msgspec

from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.runtime import Actor, ActorRef, Message, ProcessInfo, process_info
from taskqueue.supervision.calls import ChildExit, ChildState, GetOverview, overview
from taskqueue.supervision.decisions import ChildStatus
from taskqueue.supervision.specs import ChildType

SNAPSHOT_TIMEOUT_S = 1.0
SLOW_S = 1.0  # a picture shows messages that have been handled, or have waited, for this long


class Node(Message):
    """One child of the tree. `status` may also be `busy`: a supervisor that does not answer."""

    path: str
    id: str
    type: str
    status: str
    incarnation: int
    started_at: float | None
    last_exit: str | None
    last_exit_at: float | None
    restart_in_s: float | None = None  # the remaining time of its backoff
    waits_for: tuple[str, ...] = ()  # siblings that it requires and that do not run
    exits: tuple[ChildExit, ...] = ()  # the latest, oldest first
    process: ProcessInfo | None = None  # what its actor does at this moment, if it runs
    supervisor: "SupervisorFigures | None" = None
    children: tuple["Node", ...] = ()


class SupervisorFigures(Message):
    """The additional figures of a supervisor."""

    strategy: str
    restarts_in_period: int
    max_restarts: int
    period_s: int


async def snapshot(root: ActorRef) -> Node:
    """Return the tree below `root`, children in start order.

    Supervisors of one level are asked concurrently, so each level takes a second at most.
    """
    return await _snapshot(
        Node(
            path=root.label,
            id=root.label,
            type=str(ChildType.SUPERVISOR),
            status=str(ChildStatus.RUNNING),
            incarnation=1,
            started_at=None,
            last_exit=None,
            last_exit_at=None,
            process=process_info(root),
        ),
        root,
    )


async def _snapshot(node: Node, ref: ActorRef) -> Node:
    try:
        view = await overview(ref, timeout_s=SNAPSHOT_TIMEOUT_S)
    except (ActorUnavailable, AskTimeout):
        return msgspec.structs.replace(node, status="busy")
    children = await asyncio.gather(*(_child(node.path, child) for child in view.children))
    figures = SupervisorFigures(
        strategy=view.strategy,
        restarts_in_period=view.restarts_in_period,
        max_restarts=view.max_restarts,
        period_s=view.period_s,
    )
    return msgspec.structs.replace(node, supervisor=figures, children=tuple(children))


async def _child(parent: str, child: ChildState) -> Node:
    name = _name(child)
    node = Node(
        path=f"{parent}/{name}",
        id=name,
        type=str(child.type),
        status=str(child.status),
        incarnation=child.incarnation,
        started_at=child.started_at,
        last_exit=None if child.last_exit is None else str(child.last_exit),
        last_exit_at=child.last_exit_at,
        restart_in_s=child.restart_in_s,
        waits_for=child.waits_for,
        exits=child.exits,
        process=None if child.ref is None else process_info(child.ref),
    )
    return await _snapshot(node, child.ref) if _supervises(child.ref) else node


async def find(root: ActorRef, path: str) -> ActorRef | None:
    """Return the actor at `path` (`root/consumers/consumer-1`), or None.

    Raises:
        AskTimeout: a supervisor on the way is busy.
    """
    first, *rest = path.split("/")
    ref = root if first == root.label else None
    for child_id in rest:
        if not _supervises(ref):
            return None
        try:
            children = (await overview(ref, timeout_s=SNAPSHOT_TIMEOUT_S)).children
        except ActorUnavailable:
            return None
        ref = next((child.ref for child in children if _name(child) == child_id), None)
    return ref


def _name(child: ChildState) -> str:
    """Return a child's id, or the label of an instance, which has none."""
    if child.id is not None:
        return child.id
    return child.spec.id if child.ref is None else child.ref.label


def _supervises(ref: ActorRef | None) -> TypeGuard[ActorRef]:
    """Return whether it answers `GetOverview`.

    The declared `type` of a child may be wrong, and a worker crashes at a call that it does not
    handle.
    """
    if ref is None or not issubclass(ref.actor_class, Actor):
        return False
    return ref.actor_class.handles(GetOverview)


def picture(node: Node) -> str:
    """Return the tree as text, one line per actor.

    >>> leaf = Node(path="root/db", id="db", type="worker", status="running", incarnation=3,
    ...             started_at=0.0, last_exit="killed", last_exit_at=0.0)
    >>> print(picture(msgspec.structs.replace(leaf, path="root", id="root", children=(leaf,))))
    root  running  incarnation 3  last exit: killed
    └─ db  running  incarnation 3  last exit: killed
    """
    return "\n".join(_lines(node))


def _standing(node: Node) -> str:
    """Return the status, with what it waits for."""
    if node.waits_for:
        return f"waits for {', '.join(node.waits_for)}"
    if node.restart_in_s is not None:
        return f"{node.status} in {node.restart_in_s:.1f} s"
    return node.status


def _slowness(process: ProcessInfo) -> str:
    """Return what takes long: the current message, or the waiting ones."""
    text = ""
    if process.handling_s is not None and process.handling_s >= SLOW_S:
        text += f"  handles {process.handling} for {process.handling_s:.1f} s"
    if process.oldest_message_s is not None and process.oldest_message_s >= SLOW_S:
        text += f"  {process.mailbox} waiting for {process.oldest_message_s:.1f} s"
    return text


def _lines(node: Node) -> list[str]:
    line = f"{node.id}  {_standing(node)}  incarnation {node.incarnation}"
    if node.last_exit is not None:
        line += f"  last exit: {node.last_exit}"
    if node.process is not None:
        line += _slowness(node.process)
    lines = [line]
    for child in node.children:
        last = child is node.children[-1]
        first_line, *others = _lines(child)
        lines.append(("└─ " if last else "├─ ") + first_line)
        lines += [("   " if last else "│  ") + other for other in others]
    return lines

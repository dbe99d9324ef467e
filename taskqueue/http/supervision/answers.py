"""The tree as it is shown, and what was done to it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from taskqueue.rules.running import BlockedLoop, HandlerLine
from taskqueue.runtime import ProcessInfo
from taskqueue.structs import Struct
from taskqueue.supervision import ChildExit, ChildType, Node

NONE_BLOCKED: Final[Mapping[str, BlockedLoop]] = MappingProxyType({})


class Killed(Struct):
    """The actor that was killed."""

    killed: str


class Part(Struct):
    """An actor in the supervision tree."""

    path: str
    id: str
    type: str
    status: str
    incarnation: int
    started_at: float | None
    last_exit: str | None
    last_exit_at: float | None
    restart_in_s: float | msgspec.UnsetType = msgspec.UNSET  # shown while its backoff lasts
    waits_for: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET  # siblings that do not run
    exits: Sequence[ChildExit] | msgspec.UnsetType = msgspec.UNSET  # the latest, oldest first
    process: ProcessInfo | msgspec.UnsetType = msgspec.UNSET  # what its actor does, if it runs
    blocked_s: float | msgspec.UnsetType = msgspec.UNSET  # so long a handler has blocked its loop
    line: HandlerLine | msgspec.UnsetType = msgspec.UNSET  # at which that handler is


class SupervisorPart(Part):
    """A supervisor; one that is busy shows no figures."""

    strategy: str | None = None
    restarts_in_period: int | None = None
    max_restarts: int | None = None
    period_s: int | None = None
    children: Sequence[Part] = ()


def part_of(node: Node, blocked: Mapping[str, BlockedLoop] = NONE_BLOCKED) -> Part:
    """Return a node of the tree, with all below it; `blocked` are loops by the names of actors."""
    loop = None if node.process is None else blocked.get(node.process.actor)
    if_any = {
        "restart_in_s": node.restart_in_s,
        "waits_for": node.waits_for or None,
        "exits": node.exits or None,
        "process": node.process,
        "blocked_s": None if loop is None else loop.for_s,
        "line": None if loop is None else loop.line,
    }
    shown = {name: getattr(node, name) for name in Part.__struct_fields__ if name not in if_any}
    own = shown | {k: msgspec.UNSET if v is None else v for k, v in if_any.items()}
    if node.supervisor is None and node.type != ChildType.SUPERVISOR:
        return Part(**own)
    children = [part_of(child, blocked) for child in node.children]
    figures = {} if node.supervisor is None else msgspec.structs.asdict(node.supervisor)
    return SupervisorPart(**own, **figures, children=children)

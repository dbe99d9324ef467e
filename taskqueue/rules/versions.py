"""Versions of releases, and which of them a fleet has. Pure."""

import re
from collections.abc import Sequence
from typing import TypeAlias

from taskqueue.rules.nodes import NodeState, ServiceNode
from taskqueue.structs import Struct

Version: TypeAlias = tuple[int, int, int, bool]
"""Three numbers, and whether it is final: what is not comes before what is."""

_FORM = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(.*)")


class Fleet(Struct):
    """What runs on a database, and the database itself."""

    schema: int
    wanted: int
    """The schema version of this release."""
    nodes: tuple[ServiceNode, ...]


def parsed(text: str) -> Version | None:
    """Return a version, None if the text is none.

    >>> parsed("1.2"), parsed("1.2.0rc1"), parsed("(not installed)")
    ((1, 2, 0, True), (1, 2, 0, False), None)
    """
    found = _FORM.fullmatch(text.strip().removeprefix("v"))
    if found is None:
        return None
    major, minor, patch, rest = found.groups()
    return int(major), int(minor or 0), int(patch or 0), not rest or rest.startswith("+")


def behind(nodes: Sequence[ServiceNode], required: Version, *, now: float) -> list[ServiceNode]:
    """Return the nodes that are alive and of an earlier release, or of one that cannot be told."""
    alive = [node for node in nodes if node.state(now) is not NodeState.SILENT]
    return [node for node in alive if (parsed(node.said.version) or _NONE) < required]


_NONE: Version = (0, 0, 0, False)

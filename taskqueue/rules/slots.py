"""How many handlers a consumer runs at once, if the operator does not say."""

from collections.abc import Iterable, Mapping
from typing import Final

_SLOTS: Final[Mapping[str, int]] = {"loop": 32, "thread": 4}


def slots_for(executors: Iterable[str], *, cores: int, consumers: int) -> int:
    """Return the slots of a consumer whose tasks run on these executors.

    A handler that waits on a loop costs next to nothing, a thread some memory, and a process wants
    a core for itself. All executors share the slots, so the most demanding one decides.

    Args:
        executors: `loop`, `thread`, `process`.
        cores: of this machine, for this process.
        consumers: that share the cores.

    >>> [slots_for(each, cores=8, consumers=2) for each in (["loop"], ["loop", "thread"])]
    [32, 4]
    >>> [slots_for(["process"], cores=cores, consumers=2) for cores in (1, 8)]
    [1, 4]
    """
    process = max(1, cores // max(1, consumers))
    return min((_SLOTS.get(each, process) for each in executors), default=_SLOTS["loop"])

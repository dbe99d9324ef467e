"""When a worker process has served its time: the rules, pure."""

from taskqueue.structs import Struct


class ProcessPolicy(Struct):
    """How long worker processes are kept. The defaults are the documented ones."""

    max_tasks: int = 0  # 0: never replaced for their number
    max_memory_mb: int = 0  # 0: never replaced for their memory
    start_s: float = 60.0


def is_worn(policy: ProcessPolicy, *, tasks: int, memory_mb: float | None) -> bool:
    """Return whether a worker that has done `tasks` and holds `memory_mb` is to be replaced.

    The number counts from its start and is reached by the last task it does; the memory, in MiB,
    has to be above the mark. None, where this platform cannot tell, replaces no worker.

    >>> is_worn(ProcessPolicy(max_tasks=10), tasks=10, memory_mb=None)
    True
    >>> is_worn(ProcessPolicy(max_memory_mb=100), tasks=10, memory_mb=100.0)
    False
    """
    too_many = 0 < policy.max_tasks <= tasks
    too_large = memory_mb is not None and 0 < policy.max_memory_mb < memory_mb
    return too_many or too_large

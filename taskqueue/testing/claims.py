"""A claimed task without a storage, so that a test can call its handler.

ctx = Context(claimed(resize.prepare(url="a")))
assert await resize(ctx, url="a") == {"width": 800}
"""

from taskqueue.rules.tasks import NewTask, Status, Task
from taskqueue.rules.uniqueness import shown_key

_SAME = frozenset(NewTask.__struct_fields__) & frozenset(Task.__struct_fields__)


def claimed(new: NewTask, *, attempt: int = 1, now: float = 0.0) -> Task:
    """Return the task as a storage gives it to a consumer for this attempt."""
    same = {name: getattr(new, name) for name in _SAME}
    same["unique_key"] = new.unique_key and shown_key(new.unique_key)
    same["run_at"] = new.run_at or now
    return Task(
        **same,
        status=Status.RUNNING,
        attempt=attempt,
        crashes=0,
        deliveries=attempt,
        created_at=now,
        started_at=now,
        processed_at=None,
        result=None,
        reason=None,
    )

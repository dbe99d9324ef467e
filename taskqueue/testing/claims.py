"""A claimed task without a storage, so that a test can call its handler.

ctx = Context(claimed(resize.prepare(url="a")))
assert await resize(ctx, url="a") == {"width": 800}
"""

import msgspec

from taskqueue.rules.tasks import NewTask, Status, Task


def claimed(new: NewTask, *, attempt: int = 1, now: float = 0.0) -> Task:
    """Return the task as a storage gives it to a consumer for this attempt."""
    same = msgspec.structs.asdict(new)
    del same["fingerprint"]  # is for the storage alone
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

"""The steps that tests of a storage are made of: a verb, with what a test does not care about."""

from collections.abc import Sequence
from typing import Any

import msgspec

from taskqueue.rules.tasks import (
    Attempt,
    AttemptOutcome,
    Cancel,
    Complete,
    DeadLetter,
    Delivery,
    NewTask,
    NotApplied,
    Owner,
    Postpone,
    Release,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
    Status,
    Task,
    Unfinished,
)
from taskqueue.storage.protocol import Storage

ME = Owner(node="here", incarnation="2")
EARLIER_ME = Owner(node="here", incarnation="1")
ANOTHER = Owner(node="there", incarnation="1")

STALE = "a token of no lease"

DONE = Complete(result='{"output": "HI"}')
FAILURE = Requeue(
    run_at=10.0, outcome=AttemptOutcome.FAILED, error="ValueError: no", traceback="Traceback …"
)
CRASH = Requeue(run_at=10.0, outcome=AttemptOutcome.CRASHED, error="signal 9")
LATER = Postpone(run_at=10.0)
BURIAL = DeadLetter(
    reason="all attempts failed", outcome=AttemptOutcome.FAILED, error="ValueError: no"
)
CANCEL = Cancel(reason="not wanted")
SETTLEMENTS: tuple[Settlement, ...] = (DONE, FAILURE, LATER, BURIAL, CANCEL, Release())
ENDS: tuple[Settlement, ...] = (DONE, BURIAL, CANCEL)


def new_task(task_id: str, **fields: Any) -> NewTask:
    """Return a task whose fields all differ; `fields` replaces some."""
    payload = '{"action": "uppercase", "data": {"text": "hi"}}'
    return msgspec.structs.replace(
        NewTask(id=task_id, action="uppercase", payload=payload), **fields
    )


async def add(storage: Storage, *task_ids: str, now: float = 0.0, **fields: Any) -> None:
    """Insert one task per id."""
    await storage.insert([new_task(task_id, **fields) for task_id in task_ids], now=now)


async def claim(
    storage: Storage,
    *,
    queue: str = "default",
    limit: int = 10,
    owner: Owner = ME,
    lease_s: float = 30.0,
    now: float = 0.0,
) -> tuple[Delivery, ...]:
    """Claim with everything that a test does not care about filled in."""
    return await storage.claim(queue, limit=limit, owner=owner, lease_s=lease_s, now=now)


async def claims(
    storage: Storage, *, queue: str = "default", limit: int = 10, now: float = 0.0
) -> list[tuple[Delivery, ...]]:
    """Claim as often as claims are `Unfinished`, and once more; return what each has got."""
    made = [await claim(storage, queue=queue, limit=limit, now=now)]
    while isinstance(made[-1], Unfinished):
        made.append(await claim(storage, queue=queue, limit=limit, now=now))
    return made


async def settle(
    storage: Storage, delivery: Delivery, settlement: Settlement, *, now: float = 1.0
) -> Settled | NotApplied:
    """Settle one delivery."""
    by = SettleBy(token=delivery.token, settlement=settlement)
    [settled] = await storage.settle([by], now=now)
    return settled


async def task_of(storage: Storage, task_id: str, *, now: float = 0.0) -> Task:
    """Return a task that is there."""
    history = await storage.get(task_id, now=now)
    assert history is not None
    return history.task


async def attempts_of(storage: Storage, task_id: str) -> tuple[Attempt, ...]:
    """Return the history of a task that is there."""
    history = await storage.get(task_id, now=0.0)
    assert history is not None
    return history.attempts


def ids(found: Sequence[Task] | Sequence[Delivery]) -> list[str]:
    """Return the ids of tasks or of delivered tasks."""
    return [each.task.id if isinstance(each, Delivery) else each.id for each in found]


async def one_life_of_each_status(storage: Storage) -> dict[Status, list[str]]:
    """Bring two tasks into each status, but three are queued."""
    await add(storage, *(f"{n}-ended" for n in range(6)), priority=-2)
    ends = await claim(storage)
    for delivery, end in zip(ends, ENDS * 2, strict=True):
        await settle(storage, delivery, end)
    await add(storage, "6-retry", "7-retry", priority=-1)
    for delivery in await claim(storage):
        await settle(storage, delivery, FAILURE)
    await add(storage, "1-run", "8-run", priority=-1)
    running = await claim(storage)
    await storage.start([delivery.token for delivery in running], now=0.0)
    await add(storage, "2-later", "9-later", run_at=40.0)
    await add(storage, "3-queued", "5-queued", "4-queued")
    return {
        Status.COMPLETED: ["3-ended", "0-ended"],
        Status.DEAD: ["4-ended", "1-ended"],
        Status.CANCELLED: ["5-ended", "2-ended"],
        Status.RETRYING: ["7-retry", "6-retry"],
        Status.RUNNING: ["8-run", "1-run"],
        Status.SCHEDULED: ["9-later", "2-later"],
        Status.QUEUED: ["5-queued", "4-queued", "3-queued"],
    }

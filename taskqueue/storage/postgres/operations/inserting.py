"""What the inserting verbs do inside a transaction.

A task that need not wait is inserted as claimed: one row written instead of one written twice, in
one commit instead of two, and nothing to be read back.
"""

import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from taskqueue.rules.tasks import Acceptance, Accepted, Delivery, NewTask, Owner, Status
from taskqueue.storage import task_rows
from taskqueue.storage.limits import MOST_PARKED
from taskqueue.storage.order import are_plain, first_due
from taskqueue.storage.postgres.operations import keys, membership
from taskqueue.storage.postgres.operations.ended import without_ended
from taskqueue.storage.postgres.operations.turns import MOST_GIVEN
from taskqueue.storage.postgres.sql import inserting as sql
from taskqueue.storage.postgres.sql import ready, rows
from taskqueue.storage.postgres.transaction import Transaction

_ACCEPTED = Acceptance.ACCEPTED

_Insert = Callable[[Sequence[NewTask]], Awaitable[dict[str, str | None]]]
"""Inserts those of these tasks that are not there yet; returns their ids, with their keys."""


async def insert(tx: Transaction, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
    """Insert what is not there yet and whose group takes members; answer in the order given."""
    admitted = await membership.admitted(tx, tasks, now=now)
    answers = await insert_admitted(tx, admitted, now=now)
    return await membership.with_refused(tx, tasks, admitted, answers, now=now)


async def insert_admitted(
    tx: Transaction, tasks: Sequence[NewTask], *, now: float
) -> tuple[Accepted, ...]:
    """Insert what is not there yet, whether its group is closed or not."""

    async def write(given: Sequence[NewTask]) -> dict[str, str | None]:
        found = await tx.db.fetch(sql.INSERT, now, *rows.columns_of(given))
        return await without_ended(tx.db, dict(found), now=now)

    return await _insert(tx, tasks, write, now=now)


async def insert_and_claim(
    tx: Transaction,
    tasks: Sequence[NewTask],
    *,
    room: Mapping[str, int],
    owner: Owner,
    expires_at: float,
    now: float,
) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
    """Insert as `insert` does, and as claimed what need not wait."""
    admitted = await membership.admitted(tx, tasks, now=now)
    places = await _to_claim(tx, admitted, room, now=now)
    tokens: dict[str, str] = {}
    if places:
        claimed = {id(admitted[place]) for place in places}
        lease = (secrets.token_hex(16), owner.node, owner.incarnation, expires_at)

        async def write(given: Sequence[NewTask]) -> dict[str, str | None]:
            are_claimed = [id(task) in claimed for task in given]
            found = await tx.db.fetch(
                sql.INSERT_CLAIMED, now, *rows.columns_of(given), are_claimed, *lease
            )
            tokens.update((task_id, token) for task_id, _, token in found if token is not None)
            inserted = {task_id: key for task_id, key, _ in found}
            return await without_ended(tx.db, inserted, now=now)

        answers = await _insert(tx, admitted, write, now=now)
    else:
        answers = await insert_admitted(tx, admitted, now=now)
    deliveries = tuple(
        task_rows.first_delivery(admitted[place], token, expires_at=expires_at, now=now)
        for place in places
        if answers[place].acceptance is _ACCEPTED
        and (token := tokens.get(admitted[place].id)) is not None
    )
    tx.claimed(len(deliveries))
    answered = await membership.with_refused(tx, tasks, admitted, answers, now=now)
    return answered, deliveries


async def _to_claim(
    tx: Transaction, tasks: Sequence[NewTask], room: Mapping[str, int], *, now: float
) -> list[int]:
    """Return the places of the tasks that need not wait, those of a queue in their order."""
    places: list[int] = []
    for queue, most in room.items():
        first = first_due(tasks, queue, limit=most, now=now)
        if first and await tx.db.fetchval(ready.IS_IDLE, queue, now):
            places += first
    return places


async def _insert(
    tx: Transaction, tasks: Sequence[NewTask], write: _Insert, *, now: float
) -> tuple[Accepted, ...]:
    if not tasks:
        return ()
    inserted = await write(tasks)
    if len(inserted) == len(tasks):
        answers = [Accepted(id=task.id, acceptance=_ACCEPTED) for task in tasks]
    else:
        answers = await _answers(tx, tasks, inserted, write, now=now)
    await _count(tx, tasks, answers, now=now)
    return tuple(answers)


async def _answers(
    tx: Transaction,
    tasks: Sequence[NewTask],
    inserted: dict[str, str | None],
    write: _Insert,
    *,
    now: float,
) -> list[Accepted]:
    """Say what became of tasks of which not all were new.

    Of two tasks of the same id the first was inserted, unless its key was taken.
    """
    answers = []
    for task in tasks:
        if task.id in inserted and inserted[task.id] == task.unique_key:
            del inserted[task.id]  # another of the same id is a repetition
            answer = Accepted(id=task.id, acceptance=_ACCEPTED)
        elif task.id not in inserted and await tx.db.fetchval(sql.IS_THERE, task.id):
            answer = Accepted(id=task.id, acceptance=Acceptance.REPEATED)
        else:
            answer = await _meet(tx, task, write, now=now)
        answers.append(answer)
    return answers


async def _meet(tx: Transaction, task: NewTask, write: _Insert, *, now: float) -> Accepted:
    """Answer for a task whose key is taken, or was when it was to be inserted."""
    while True:  # as soon as the key is free, another node may take it
        answer = await keys.meet(tx, task, now=now)
        if answer is not None:
            return answer
        if await write((task,)):
            return Accepted(id=task.id, acceptance=_ACCEPTED)
        if await tx.db.fetchval(sql.IS_THERE, task.id):
            return Accepted(id=task.id, acceptance=Acceptance.REPEATED)


async def _count(
    tx: Transaction, tasks: Sequence[NewTask], answers: Sequence[Accepted], *, now: float
) -> None:
    new = [
        task for task, answer in zip(tasks, answers, strict=True) if answer.acceptance is _ACCEPTED
    ]
    scheduled = sum(task.run_at is not None and task.run_at > now for task in new)
    tx.moved(None, Status.SCHEDULED, scheduled)
    tx.moved(None, Status.QUEUED, len(new) - scheduled)
    membership.count_new(tx, new, now=now)
    if not are_plain(new):
        await _find_places(tx, new, now=now)


async def _find_places(tx: Transaction, new: Sequence[NewTask], *, now: float) -> None:
    """Give turns to those that take turns, and park those for which a limit has no room."""
    in_flows = Counter(task.queue for task in new if task.flow is not None)
    for queue, tasks in in_flows.items():
        # As many as there are new ones: else a backlog without turns would delay the next flow's.
        await tx.turns.give(queue, now=now, most=max(tasks, MOST_GIVEN))
    limited = [(task.queue, task.limits) for task in new if task.limits is not None]
    await tx.gates.lock(text for _, text in limited)
    most = tx.gates.parked + max(len(limited), MOST_PARKED)
    for queue, limits in dict.fromkeys(limited):
        if (left := most - tx.gates.parked) > 0:
            await tx.gates.park_full(queue, limits, most=left, now=now)

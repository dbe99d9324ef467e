"""What the verbs about limits do, in a transaction or on a connection that reads."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from taskqueue.rules import limits
from taskqueue.rules.holds import HeldBack, Reason
from taskqueue.rules.limits import (
    NEVER,
    UNLIMITED,
    GateFacts,
    KeyUsage,
    LimitUsage,
    LimitUse,
    LimitValues,
    Taken,
)
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.postgres.connections import SQL, changed_rows
from taskqueue.storage.postgres.operations.gate_books import decode_values, states_of, values_of
from taskqueue.storage.postgres.sql import chains, parking
from taskqueue.storage.postgres.transaction import Transaction


async def declare(tx: Transaction, declared: Mapping[str, LimitValues], *, now: float) -> None:
    """Replace what is declared, and open what that makes room for."""
    await tx.gates.lock_values()
    named = {name for (name,) in await tx.db.fetch(parking.LIMIT_NAMES)}
    await tx.db.execute(parking.DECLARE, [*declared], [*map(_text, declared.values())])
    await tx.db.execute(parking.UNDECLARE, [*declared])
    await tx.db.execute(parking.FORGET_LIMITS)
    tx.gates.forget_values()
    for name in sorted(named | declared.keys()):
        await tx.gates.wake_all(name, now=now)
    tx.is_news = True


async def change(tx: Transaction, name: str, values: LimitValues | None, *, now: float) -> bool:
    """Set what a limit allows at run time, or take that back; return whether there is one."""
    await tx.gates.lock_values()
    if values is not None:
        await tx.db.execute(parking.CHANGE_LIMIT, name, _text(values), now)
    elif not changed_rows(await tx.db.execute(parking.RESET_LIMIT, name)):
        return False
    await tx.db.execute(parking.FORGET_LIMITS)
    tx.gates.forget_values()
    await tx.gates.wake_all(name, now=now)
    tx.is_news = True
    return True


async def take(tx: Transaction, use: LimitUse, *, now: float) -> Taken | None:
    """Take starts for what is no task."""
    if not await tx.gates.is_known(use.name):
        return None
    at = await tx.gates.spend(use, now=now)
    return Taken(granted=at <= now, retry_at=max(at, now))


async def charge(tx: Transaction, use: LimitUse, *, now: float) -> bool:
    """Count starts that were made already; return whether there is such a limit."""
    await tx.gates.charge(use, now=now)
    return await tx.gates.is_known(use.name)


async def all_limits(db: SQL) -> tuple[LimitUsage, ...]:
    """Return all limits, by name."""
    return tuple([await _usage(db, *row) for row in await db.fetch(parking.LIMITS)])


async def _usage(
    db: SQL, name: str, values: str, declared: str | None, changed_at: float | None
) -> LimitUsage:
    allowed = decode_values(values)
    waiting = await _waiting_for_any(db, name, allowed)
    debt_at = await db.fetchval(parking.GREATEST_DEBT, name, f"{name}/", f"{name}0")
    return LimitUsage(
        name=name,
        values=allowed,
        declared=None if declared is None else decode_values(declared),
        changed_at=changed_at,
        running=await db.fetchval(parking.HELD_OF_LIMIT, name),
        waiting=waiting.total(),
        held_back=tuple(
            HeldBack(queue=queue, reason=reason, tasks=tasks)
            for (queue, reason), tasks in sorted(waiting.items())
        ),
        debt_at=NEVER if debt_at is None else debt_at,
    )


async def _waiting_for_any(db: SQL, name: str, allowed: LimitValues) -> Counter[tuple[str, Reason]]:
    """Count what waits for a limit, key by key up to `MOST_COUNTED`, by queue and reason."""
    waiting = Counter[tuple[str, Reason]]()
    for queue, tasks in await db.fetch(chains.COUNT_OF_LIMIT, name):
        waiting[queue, Reason.SLOT] += tasks
    gate: str | None = name
    while gate is not None and (left := MOST_COUNTED - waiting.total()) > 0:
        if found := await db.fetch(parking.COUNT_PARKED_BY_QUEUE, gate, left):
            reason = limits.reason(allowed, (await states_of(db, (gate,)))[gate])
            waiting.update({(queue, reason): tasks for queue, tasks in found})
        behind = f"{name}/" if gate == name else gate
        gate = await db.fetchval(parking.NEXT_PARKED_GATE, behind, f"{name}0")
    return waiting


async def _waiting(db: SQL, gate: str, most: int = MOST_COUNTED) -> int:
    return int(await db.fetchval(parking.COUNT_PARKED, gate, most))


async def keys_of(
    db: SQL, name: str, *, after: str | None, limit: int, now: float
) -> tuple[KeyUsage, ...]:
    """Return the keys of a limit that are in use, by key."""
    asked = (None if after is not None else name, f"{name}/{after or ''}", f"{name}0", limit)
    gates = [gate for (gate,) in await db.fetch(parking.GATES_OF_LIMIT, *asked)]
    states = await states_of(db, gates)
    values = (await values_of(db)).get(name, UNLIMITED)
    found = []
    for gate in gates:
        rate = msgspec.structs.replace(values, running=None)
        at = limits.opens_at(rate, states[gate], cost=1.0)
        usage = KeyUsage(
            key=gate[len(name) + 1 :] if gate != name else None,
            running=states[gate].running,
            waiting=min(
                await _waiting(db, gate) + await db.fetchval(chains.COUNT, gate), MOST_COUNTED
            ),
            opens_at=at if at > now else None,
        )
        found.append(usage)
    return tuple(found)


async def gate_of(db: SQL, task_id: str, *, now: float) -> GateFacts | None:
    """Return what holds a task back that is parked, or chained."""
    if (parked := await db.fetchrow(parking.PARKED_TASK, task_id)) is not None:
        gate, text, *place = parked
        use = next(use for use in limits.decoded(text) if use.gate == gate)
        ahead = await db.fetchval(parking.COUNT_PARKED_BEFORE, gate, *place, MOST_COUNTED)
        ahead += await db.fetchval(chains.COUNT_BEFORE, gate, math.inf, *place)
        return await _facts(db, use, place[0], ahead, now=now)
    if (chained := await db.fetchrow(chains.CHAINED_TASK, task_id)) is not None:
        text, claimed_at, *place = chained
        use = await _full(db, limits.decoded(text))
        ahead = await db.fetchval(chains.COUNT_BEFORE, use.gate, claimed_at, *place)
        return await _facts(db, use, place[0], ahead, now=now)
    return None


async def _full(db: SQL, uses: Sequence[LimitUse]) -> LimitUse:
    """Return the first of these limits that has no slot free."""
    values, states = await values_of(db), await states_of(db, [use.gate for use in uses])

    def is_full(use: LimitUse) -> bool:
        allowed = values.get(use.name, UNLIMITED)
        return limits.opens_at(allowed, states[use.gate], use.cost) == math.inf

    return next(filter(is_full, uses), uses[0])


async def _facts(db: SQL, use: LimitUse, queue: str, ahead: int, *, now: float) -> GateFacts:
    values = (await values_of(db)).get(use.name, UNLIMITED)
    state = (await states_of(db, (use.gate,)))[use.gate]
    at = limits.opens_at(msgspec.structs.replace(values, running=None), state, use.cost)
    return GateFacts(
        use=use,
        values=values,
        running=tuple([task_id for (task_id,) in await db.fetch(parking.RUNNING_AT, use.gate)]),
        count=state.running,
        opens_at=at if at > now else None,
        ahead=min(ahead, MOST_COUNTED),
        is_shared=await db.fetchval(parking.IS_SHARED, use.gate, queue),
    )


def _text(values: LimitValues) -> str:
    return msgspec.json.encode(values).decode()

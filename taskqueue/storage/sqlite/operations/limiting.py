"""What the verbs about limits do: inside a transaction, or in what is committed."""

import math
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from taskqueue.rules import limits
from taskqueue.rules.holds import HeldBack, Reason
from taskqueue.rules.limits import (
    NEVER,
    GateFacts,
    KeyUsage,
    LimitUsage,
    LimitUse,
    LimitValues,
    Taken,
)
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.sqlite.commit.gates import Gates, decode_values
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations.searching import snapshot
from taskqueue.storage.sqlite.sql import parking, rows


def declare(tx: Transaction, declared: Mapping[str, LimitValues], *, now: float) -> None:
    """Replace what is declared, and open what that makes room for."""
    named = {name for [name] in tx.db.execute(parking.LIMIT_NAMES).fetchall()}
    tx.db.executemany(parking.DECLARE, [(name, _text(each)) for name, each in declared.items()])
    tx.db.execute(parking.UNDECLARE, (rows.json_array(declared),))
    tx.db.execute(parking.FORGET_LIMITS)
    tx.gates.forget_values()
    for name in sorted(named | declared.keys()):
        tx.gates.wake_all(name, now=now)


def change(tx: Transaction, name: str, values: LimitValues | None, *, now: float) -> bool:
    """Set what a limit allows at run time, or take that back; return whether there is one."""
    if values is not None:
        tx.db.execute(parking.CHANGE_LIMIT, (name, _text(values), now))
    elif not tx.db.execute(parking.RESET_LIMIT, (name,)).rowcount:
        return False
    tx.db.execute(parking.FORGET_LIMITS)
    tx.gates.forget_values()
    tx.gates.wake_all(name, now=now)
    return True


def take(tx: Transaction, use: LimitUse, *, now: float) -> Taken | None:
    """Take starts for what is no task."""
    if not tx.gates.is_known(use.name):
        return None
    at = tx.gates.spend(use, now=now)
    return Taken(granted=at <= now, retry_at=max(at, now))


def charge(tx: Transaction, use: LimitUse, *, now: float) -> bool:
    """Count starts that were made already; return whether there is such a limit."""
    tx.gates.charge(use, now=now)
    return tx.gates.is_known(use.name)


def all_limits(db: sqlite3.Connection) -> tuple[LimitUsage, ...]:
    """Return all limits, by name."""
    with snapshot(db):
        return tuple(_usages(db))


def _usages(db: sqlite3.Connection) -> Iterator[LimitUsage]:
    for name, values, declared, changed_at in sorted(db.execute(parking.LIMITS).fetchall()):
        allowed = decode_values(values)
        [running] = db.execute(parking.HELD_OF_LIMIT, (name,)).fetchone()
        waiting = _waiting_for_any(db, name, allowed)
        [debt_at] = db.execute(parking.GREATEST_DEBT, _keys_behind(name, name)).fetchone()
        yield LimitUsage(
            name=name,
            values=allowed,
            declared=None if declared is None else decode_values(declared),
            changed_at=changed_at,
            running=running,
            waiting=waiting.total(),
            held_back=tuple(
                HeldBack(queue=queue, reason=reason, tasks=tasks)
                for (queue, reason), tasks in sorted(waiting.items())
            ),
            debt_at=NEVER if debt_at is None else debt_at,
        )


def _waiting_for_any(
    db: sqlite3.Connection, name: str, allowed: LimitValues
) -> Counter[tuple[str, Reason]]:
    """Count what waits for a limit, key by key up to `MOST_COUNTED`, by queue and reason."""
    gates, waiting = Gates(db), Counter[tuple[str, Reason]]()
    for queue, tasks in db.execute(parking.CHAINED_OF_LIMIT, (name,)).fetchall():
        waiting[queue, Reason.SLOT] += tasks
    gate: str | None = name
    while gate is not None and (left := MOST_COUNTED - waiting.total()) > 0:
        asked = {"gate": gate, "limit": left}
        for queue, tasks in db.execute(parking.COUNT_PARKED_BY_QUEUE, asked).fetchall():
            waiting[queue, limits.reason(allowed, gates.state(gate))] += tasks
        [gate] = db.execute(parking.NEXT_PARKED_GATE, _keys_behind(name, gate)).fetchone()
    return waiting


def _keys_behind(name: str, gate: str) -> dict[str, str]:
    """Return the range of the gates of a limit that come behind one of them."""
    return {"name": name, "behind": f"{name}/" if gate == name else gate, "end": f"{name}0"}


def _waiting(db: sqlite3.Connection, gate: str, most: int = MOST_COUNTED) -> int:
    [waiting] = db.execute(parking.COUNT_PARKED, {"gate": gate, "limit": most}).fetchone()
    return int(waiting)


def _chained(db: sqlite3.Connection, gate: str) -> int:
    [chained] = db.execute(parking.COUNT_CHAINED, (gate,)).fetchone()
    return int(chained)


def keys_of(
    db: sqlite3.Connection, name: str, *, after: str | None, limit: int, now: float
) -> tuple[KeyUsage, ...]:
    """Return the keys of a limit that are in use, by key."""
    asked = {
        "name": None if after is not None else name,
        "behind": f"{name}/{after or ''}",
        "end": f"{name}0",
        "limit": limit,
    }
    with snapshot(db):
        found = db.execute(parking.GATES_OF_LIMIT, asked).fetchall()
        return tuple(_key(db, name, gate, now=now) for [gate] in found)


def _key(db: sqlite3.Connection, name: str, gate: str, *, now: float) -> KeyUsage:
    gates = Gates(db)
    key = gate[len(name) + 1 :] if gate != name else None
    state = gates.state(gate)
    at = limits.opens_at(msgspec.structs.replace(gates.values(name), running=None), state, cost=1.0)
    return KeyUsage(
        key=key,
        running=state.running,
        waiting=min(_waiting(db, gate) + _chained(db, gate), MOST_COUNTED),
        opens_at=at if at > now else None,
    )


def gate_of(db: sqlite3.Connection, task_id: str, *, now: float) -> GateFacts | None:
    """Return what holds a task back that is parked, or chained."""
    with snapshot(db):
        if (parked := db.execute(parking.PARKED_TASK, (task_id,)).fetchone()) is not None:
            gate, text, *place = parked
            use = next(use for use in limits.decoded(text) if use.gate == gate)
            before = _before(db, parking.COUNT_PARKED_BEFORE, gate, math.inf, *place)
            ahead = before + _before_in_chain(db, gate, math.inf, *place)
            return _facts(db, use, place[0], ahead, now=now)
        if (chained := db.execute(parking.CHAINED_TASK, (task_id,)).fetchone()) is not None:
            text, claimed_at, *place = chained
            use = _full(db, limits.decoded(text))
            ahead = _before_in_chain(db, use.gate, claimed_at, *place)
            return _facts(db, use, place[0], ahead, now=now)
    return None


def _full(db: sqlite3.Connection, uses: Sequence[LimitUse]) -> LimitUse:
    """Return the first of these limits that has no slot free."""
    gates = Gates(db)

    def is_full(use: LimitUse) -> bool:
        return limits.opens_at(gates.values(use.name), gates.state(use.gate), use.cost) == math.inf

    return next(filter(is_full, uses), uses[0])


def _before_in_chain(db: sqlite3.Connection, *line: Any) -> int:
    return _before(db, parking.COUNT_CHAINED_BEFORE, *line)


def _before(db: sqlite3.Connection, count: str, *line: Any) -> int:
    names = ("gate", "claimed_at", "queue", "priority", "turn", "run_at", "id")
    asked = {**dict(zip(names, line, strict=True)), "limit": MOST_COUNTED}
    [before] = db.execute(count, asked).fetchone()
    return int(before)


def _facts(
    db: sqlite3.Connection, use: LimitUse, queue: str, ahead: int, *, now: float
) -> GateFacts:
    gates, gate = Gates(db), use.gate
    [is_shared] = db.execute(parking.IS_SHARED, {"gate": gate, "queue": queue}).fetchone()
    values, state = gates.values(use.name), gates.state(gate)
    at = limits.opens_at(msgspec.structs.replace(values, running=None), state, use.cost)
    return GateFacts(
        use=use,
        values=values,
        running=tuple(task_id for [task_id] in db.execute(parking.RUNNING_AT, (gate,)).fetchall()),
        count=state.running,
        opens_at=at if at > now else None,
        ahead=min(ahead, MOST_COUNTED),
        is_shared=bool(is_shared),
    )


def _text(values: LimitValues) -> str:
    return msgspec.json.encode(values).decode()

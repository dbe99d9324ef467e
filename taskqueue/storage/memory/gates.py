"""Limits in memory: what each allows, and what is used is counted whenever it is asked for."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from msgspec.structs import replace

from taskqueue.rules import limits
from taskqueue.rules.holds import HeldBack, Reason
from taskqueue.rules.limits import (
    NEVER,
    UNLIMITED,
    GateState,
    KeyUsage,
    LimitUsage,
    LimitUse,
    LimitValues,
    Taken,
)
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.memory.members import MemberTable
from taskqueue.storage.memory.rows import Row
from taskqueue.storage.memory.table import OnNew, ignore
from taskqueue.storage.memory.turns import Turns


@dataclass(kw_only=True)
class _Limit:
    declared: LimitValues | None = None
    changed: LimitValues | None = None
    changed_at: float | None = None

    @property
    def values(self) -> LimitValues:
        return self.changed or self.declared or UNLIMITED


class Gates:
    """What a claim of this table may take, and in which turn."""

    def __init__(self, table: MemberTable) -> None:
        """Know no limit yet."""
        self._table = table
        self._limits: dict[str, _Limit] = {}
        self._debts: dict[str, float] = {}
        self._turns = Turns(table)

    def insert(
        self,
        tasks: Sequence[NewTask],
        *,
        now: float,
        then: OnNew = ignore,
        member_of: str | None = None,
    ) -> tuple[Accepted, ...]:
        """Accept them as `MemberTable.insert` does, and give those their turns that are due."""
        answers = self._table.insert(tasks, now=now, then=then, member_of=member_of)
        for queue in {task.queue for task in tasks if task.flow is not None}:
            self._turns.give(queue, now=now)
        return answers

    def turn_of(self, task_id: str) -> float:
        """Return the turn of a task, or that which it would get now."""
        row = self._table.rows.get(task_id)
        return 0.0 if row is None else self._turns.of(row)

    # --- claims -----------------------------------------------------------------------------------

    def chosen(
        self,
        queue: str,
        *,
        limit: int,
        most_limited: int | None,
        ageing_s: float | None,
        now: float,
    ) -> Iterator[Row]:
        """Yield the rows of a claim; each is to be claimed before the next is asked for."""
        left, limited_left = limit, math.inf if most_limited is None else most_limited
        closed: set[str] = set()
        self._turns.give(queue, now=now)
        for row in self._table.ready(queue, ageing_s=ageing_s, now=now):
            if not left:
                return
            uses = limits.decoded(row.task.limits)
            if self._held_back_at(uses, closed, now=now) is not None:
                continue
            if uses and not limited_left:
                return
            self._start(uses, now=now)
            left, limited_left = left - 1, limited_left - bool(uses)
            self._turns.serve(row)
            yield row

    def _held_back_at(
        self, uses: Iterable[LimitUse], closed: set[str], *, now: float
    ) -> str | None:
        for use in uses:
            if use.gate in closed or self._opens_at(use) > now:
                closed.add(use.gate)
                return use.gate
        return None

    def _start(self, uses: Iterable[LimitUse], *, now: float) -> None:
        for use in uses:
            values, debt_at = self.values(use.name), self._debts.get(use.gate, NEVER)
            if values.starts is not None:
                self._debts[use.gate] = limits.debt_after(values, debt_at, use.cost, now=now)

    def returned(self, row: Row, *, claimed_at: float, now: float) -> None:
        """Give the starts of an attempt back."""
        for use in limits.decoded(row.task.limits):
            values, debt_at = self.values(use.name), self._debts.get(use.gate, NEVER)
            if values.starts is not None:
                self._debts[use.gate] = limits.debt_without(
                    values, debt_at, use.cost, started_at=claimed_at, now=now
                )

    def next_due(self, queue: str) -> float | None:
        """Return from when on something of a queue can be claimed; None if that is not known."""
        dues = map(self._due, self._table.waiting(queue))
        return min((due for due in dues if due < math.inf), default=None)

    def count_due(self, queue: str, *, now: float) -> int:
        """Return how many rows of a queue, paused or not, are due and not held back."""
        return sum(self._due(row) <= now for row in self._table.unclaimed(queue))

    def served_turn(self, queue: str, priority: int) -> float:
        """Return the turn that was served last in a priority of a queue."""
        return self._turns.served(queue, priority)

    def all_due(self) -> dict[str, float]:
        """Return `next_due` of each queue that has one."""
        queues = {row.task.queue for row in self._table.rows.values()}
        dues = {queue: self.next_due(queue) for queue in queues}
        return {queue: due for queue, due in dues.items() if due is not None}

    def _due(self, row: Row) -> float:
        opens_at = (self._opens_at(use) for use in limits.decoded(row.task.limits))
        return max(row.task.run_at, *opens_at, NEVER)

    # --- what is used -----------------------------------------------------------------------------

    def values(self, name: str) -> LimitValues:
        """Return what a limit allows; anything, if it is not known."""
        return self._limits[name].values if name in self._limits else UNLIMITED

    def _opens_at(self, use: LimitUse) -> float:
        return limits.opens_at(self.values(use.name), self._state(use.gate), use.cost)

    def _state(self, gate: str) -> GateState:
        return GateState(len(self._held(gate)), self._debts.get(gate, NEVER))

    def _held(self, gate: str) -> list[Row]:
        return [row for row in self._using(gate) if row.lease and not row.lease.chained]

    def _waiting(self, gate: str, *, now: float) -> list[Row]:
        """Return the rows that the gate holds back, those first that are chained."""
        held_back = (
            row
            for row in self._using(gate)
            if row.lease is None
            and row.task.processed_at is None
            and row.task.run_at <= now
            and any(
                use.gate == gate and self._opens_at(use) > now
                for use in limits.decoded(row.task.limits)
            )
        )
        chained = (row for row in self._using(gate) if row.lease and row.lease.chained)
        return sorted((*chained, *held_back), key=in_line)

    def _using(self, gate: str) -> Iterator[Row]:
        for row in self._table.rows.values():
            if any(use.gate == gate for use in limits.decoded(row.task.limits)):
                yield row

    # --- verbs ------------------------------------------------------------------------------------

    def declare(self, declared: Mapping[str, LimitValues]) -> None:
        """Replace what is declared."""
        for name in self._limits.keys() | declared.keys():
            self._limits.setdefault(name, _Limit()).declared = declared.get(name)
        self._forget()

    def change(self, name: str, values: LimitValues | None, *, now: float) -> bool:
        """Set what a limit allows, or take that back; return whether there is one."""
        if values is None and name not in self._limits:
            return False
        limit = self._limits.setdefault(name, _Limit())
        limit.changed, limit.changed_at = values, None if values is None else now
        self._forget()
        return True

    def _forget(self) -> None:
        self._limits = {
            name: limit for name, limit in self._limits.items() if limit.declared or limit.changed
        }

    def take(self, use: LimitUse, *, now: float) -> Taken | None:
        """Take starts for what is no task."""
        if use.name not in self._limits:
            return None
        rate = replace(self.values(use.name), running=None)
        at = limits.opens_at(rate, self._state(use.gate), use.cost)
        if at <= now:
            self._start([use], now=now)
        return Taken(granted=at <= now, retry_at=max(at, now))

    def charge(self, use: LimitUse, *, now: float) -> bool:
        """Count starts that were made; return whether there is such a limit."""
        self._start([use], now=now)
        return use.name in self._limits

    def usages(self, *, now: float) -> tuple[LimitUsage, ...]:
        """Return all limits, by name."""
        return tuple(self._usage(name, now=now) for name in sorted(self._limits))

    def _usage(self, name: str, *, now: float) -> LimitUsage:
        limit, gates = self._limits[name], sorted(self._gates(name))
        held = {row.task.id for gate in gates for row in self._held(gate)}
        reasons = Counter(islice(self._reasons(limit.values, gates, now=now), MOST_COUNTED))
        debts = (self._debts[gate] for gate in gates if gate in self._debts)
        return LimitUsage(
            name=name,
            values=limit.values,
            declared=limit.declared,
            changed_at=limit.changed_at,
            running=len(held),
            waiting=reasons.total(),
            held_back=tuple(
                HeldBack(queue=queue, reason=reason, tasks=tasks)
                for (queue, reason), tasks in sorted(reasons.items())
            ),
            debt_at=max(debts, default=NEVER),
        )

    def _reasons(
        self, values: LimitValues, gates: Iterable[str], *, now: float
    ) -> Iterator[tuple[str, Reason]]:
        """Yield the queue of each row that these gates hold back, and why they do."""
        for gate in gates:
            reason = limits.reason(values, self._state(gate))
            for queue in sorted(row.task.queue for row in self._waiting(gate, now=now)):
                yield queue, reason

    def _gates(self, name: str) -> set[str]:
        used = {
            use.gate
            for row in self._table.rows.values()
            for use in limits.decoded(row.task.limits)
            if use.name == name
        }
        owed = {gate for gate in self._debts if gate == name or gate.startswith(f"{name}/")}
        return used | owed

    def keys(self, name: str, *, after: str | None, limit: int, now: float) -> tuple[KeyUsage, ...]:
        """Return the keys of a limit that are in use, by key."""
        gates = sorted(
            gate
            for gate in self._gates(name)
            if (self._held(gate) or gate in self._debts)
            and (after is None or gate > f"{name}/{after}")
        )
        return tuple(self._key(name, gate, now=now) for gate in gates[:limit])

    def _key(self, name: str, gate: str, *, now: float) -> KeyUsage:
        at = self._rate_opens_at(LimitUse(name, None if gate == name else gate[len(name) + 1 :]))
        return KeyUsage(
            key=None if gate == name else gate[len(name) + 1 :],
            running=len(self._held(gate)),
            waiting=min(len(self._waiting(gate, now=now)), MOST_COUNTED),
            opens_at=at if at > now else None,
        )

    def _rate_opens_at(self, use: LimitUse) -> float:
        rate = replace(self.values(use.name), running=None)
        return limits.opens_at(rate, self._state(use.gate), use.cost)


def in_line(row: Row) -> tuple[float, tuple[int, float, float, str]]:
    """Return when a row that waits at a gate will be next: what is chained comes before others."""
    return math.inf if row.lease is None else row.lease.claimed_at, row.place

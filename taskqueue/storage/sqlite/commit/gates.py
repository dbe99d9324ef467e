"""The gates of limits inside a transaction: rows are parked at full gates and opened at free ones.

    claim    ─▶ is the gate of a row open? take a slot : park it, and rows with the same limits
    settle   ─▶ free the slots ─▶ open the first rows that are parked there
    a rate   ─▶ its first parked row opens at a known time, with the next claim

Invariant: while a gate has room, the first row of each queue at that gate is open. So a claim finds
it in its order, and nothing polls. To keep it, gates are woken after a slot is taken or freed, and
when an open row is cancelled, edited or parked elsewhere.
"""

import math
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from taskqueue.rules import limits
from taskqueue.rules.limits import NEVER, UNLIMITED, GateState, LimitUse, LimitValues
from taskqueue.storage.sqlite.commit import chains
from taskqueue.storage.sqlite.sql import parking, rows

_MOST_OPENED = 64  # at once; a claim that takes them opens the next

decode_values = msgspec.json.Decoder(LimitValues).decode


class Candidate(NamedTuple):
    """An open row, with the columns that decide the order of a claim."""

    seq: int
    limits: str | None
    priority: int
    turn: float
    run_at: float
    id: str


class Gates:
    """The limits and their usage, as this transaction has left them."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.opened = 0
        """How many rows were opened so far."""
        self.parked = 0
        """How many rows were parked so far."""
        self._values: dict[str, LimitValues] | None = None
        self._states: dict[str, GateState] = {}

    def take(self, queue: str, row: Candidate, *, most_parked: int, now: float) -> bool:
        """Take a slot of each limit of an open row, or park the row if a limit has none.

        At most `most_parked` rows with the same limits are parked, this one included. Return
        whether the row can be claimed.
        """
        uses = limits.decoded(row.limits)
        if self._park(queue, row, uses, most=most_parked, now=now):
            return False
        for use in uses:
            self._take(row.seq, use, now=now)
        self.wake(uses, now=now)
        return True

    def is_open(self, queue: str, row: Candidate, *, most_parked: int, now: float) -> bool:
        """Return whether a row could be claimed; if not, park it as `take` does."""
        uses = limits.decoded(row.limits)
        return not self._park(queue, row, uses, most=most_parked, now=now)

    def park_full(self, queue: str, text: str, *, most: int, now: float) -> None:
        """Park up to `most` open rows of these limits, unless there is room."""
        uses = limits.decoded(text)
        for use in uses:
            at = self._opens_at(use)
            if at > now:
                place = {**parking.FIRST_PLACE, "others": most}
                self._park_at(queue, text, use, at, place, now=now)
                return

    def free(self, seqs: Iterable[int], returned: Mapping[int, float], *, now: float) -> None:
        """Free the slots of held rows, or pass them on; give the starts of `returned` ones back.

        `returned` says when these were claimed.
        """
        [has_slots] = self._db.execute(parking.HAS_SLOTS).fetchone()
        if not has_slots:
            return
        deleted = self._db.execute(parking.FREE_SLOTS, (rows.json_array(seqs),)).fetchall()
        freed = [line for line in deleted if not chains.is_waiting(line[1])]
        if freed:
            chains.pass_on(self._db, {line[0] for line in freed})
        for seq, gate, name, cost in freed:
            state = self._states.pop(gate, None)
            if seq in returned and self.values(name).starts is not None:
                debt_at = (state or self.state(gate)).debt_at
                self._states.pop(gate, None)
                self._give_back(gate, name, cost, debt_at, started_at=returned[seq], now=now)
        for gate in dict.fromkeys(gate for _, gate, _, _ in freed):
            self._wake(gate, now=now)

    def _give_back(
        self, gate: str, name: str, cost: float, debt_at: float, *, started_at: float, now: float
    ) -> None:
        values = self.values(name)
        left_at = limits.debt_without(values, debt_at, cost, started_at=started_at, now=now)
        self._owe(gate, left_at, now=now)

    def let_go(self, text: str | None, *, now: float) -> None:
        """Wake the gates of an open row that is no longer waiting."""
        if text is not None:
            self.wake(limits.decoded(text), now=now)

    def open_due(self, *, now: float) -> None:
        """Open the rows that the rates of their limits allow now."""
        for [gate] in self._db.execute(parking.DUE_OPENINGS, (now,)).fetchall():
            self._wake(gate, now=now)

    def wake(self, uses: Iterable[LimitUse], *, now: float) -> None:
        """Open the first rows that are parked at these gates, as far as the gates have room."""
        for use in uses:
            self._wake(use.gate, now=now)

    def wake_all(self, name: str, *, now: float) -> None:
        """Do so for all keys of a limit."""
        self._wake(name, now=now)
        behind, end = f"{name}/", f"{name}0"  # "0" comes after "/"
        while (gate := self._next_gate(behind, end)) is not None:
            self._wake(gate, now=now)
            behind = gate

    def values(self, name: str) -> LimitValues:
        """Return the values of a limit; an unknown limit allows everything."""
        if self._values is None:
            found = self._db.execute(parking.LIMITS).fetchall()
            self._values = {name: decode_values(now_holds) for name, now_holds, _, _ in found}
        return self._values.get(name, UNLIMITED)

    def is_known(self, name: str) -> bool:
        """Return whether there is a limit with this name."""
        self.values(name)
        return self._values is not None and name in self._values

    def forget_values(self) -> None:
        """Read the limits again: they have changed."""
        self._values = None

    def spend(self, use: LimitUse, *, now: float) -> float:
        """Take starts without a slot; return from when on they can be taken, at most `now`."""
        values, state = self.values(use.name), self.state(use.gate)
        at = limits.opens_at(values, GateState(debt_at=state.debt_at), use.cost)
        if at <= now:
            self._start(use, now=now)
        return at

    def charge(self, use: LimitUse, *, now: float) -> None:
        """Count starts that were made already, or give some back: then others may begin sooner."""
        self._start(use, now=now)
        self._wake(use.gate, now=now)

    def _start(self, use: LimitUse, *, now: float) -> None:
        values, state = self.values(use.name), self.state(use.gate)
        if values.starts is not None:
            debt_at = limits.debt_after(values, state.debt_at, use.cost, now=now)
            self._owe(use.gate, debt_at, now=now)

    # --- parking --------------------------------------------------------------------------------

    def _park(
        self, queue: str, row: Candidate, uses: tuple[LimitUse, ...], *, most: int, now: float
    ) -> bool:
        for use in uses:
            at = self._opens_at(use)
            if at > now or self._is_behind(queue, use.gate, row):
                place = {**row._asdict(), "others": most - 1}
                self._park_at(queue, row.limits, use, at, place, now=now)
                self.wake((each for each in uses if each != use), now=now)
                return True
        return False

    def _park_at(
        self,
        queue: str,
        text: str | None,
        use: LimitUse,
        at: float,
        place: Mapping[str, object],
        *,
        now: float,
    ) -> None:
        parked = {**place, "gate": use.gate, "limits": text, "queue": queue, "now": now}
        self.parked += self._db.execute(parking.PARK, parked).rowcount
        if now < at < math.inf:
            self._db.execute(parking.OPEN_AT, (use.gate, at))

    def _is_behind(self, queue: str, gate: str, row: Candidate) -> bool:
        """Return whether a row of the same queue waits at the gate that comes first."""
        place = {**row._asdict(), "gate": gate, "queue": queue}
        [found] = self._db.execute(parking.IS_PARKED_BEFORE, place).fetchone()
        return bool(found)

    # --- opening --------------------------------------------------------------------------------

    def _wake(self, gate: str, *, now: float) -> None:
        behind: str | None = ""
        while behind is not None:
            asked = {"gate": gate, "behind": behind}
            [behind] = self._db.execute(parking.PARKED_QUEUE, asked).fetchone()
            if behind is not None:
                self._open(gate, behind, now=now)

    def _open(self, gate: str, queue: str, *, now: float) -> None:
        """Open the first rows of a queue that are parked at a gate, if it has room for them."""
        asked: dict[str, Any] = {"gate": gate, "queue": queue, "limit": 1}
        [(_, text)] = self._db.execute(parking.FIRST_PARKED, asked).fetchall()
        use = next(use for use in limits.decoded(text) if use.gate == gate)
        at = self._opens_at(use)
        if at <= now:
            asked["limit"] = self._room(use)
            seqs = [seq for seq, _ in self._db.execute(parking.FIRST_PARKED, asked).fetchall()]
            self._db.execute(parking.OPEN, (rows.json_array(seqs),))
            self.opened += len(seqs)
        elif at < math.inf:
            self._db.execute(parking.OPEN_AT, (gate, at))

    def _room(self, use: LimitUse) -> int:
        values = self.values(use.name)
        if values.starts is not None:
            return 1
        if values.running is None:
            return _MOST_OPENED
        return min(values.running - self.state(use.gate).running, _MOST_OPENED)

    def _next_gate(self, behind: str, end: str) -> str | None:
        gate: str | None
        asked = {"behind": behind, "end": end}
        [gate] = self._db.execute(parking.NEXT_PARKED_GATE, asked).fetchone()
        return gate

    # --- what is used ---------------------------------------------------------------------------

    def _opens_at(self, use: LimitUse) -> float:
        return limits.opens_at(self.values(use.name), self.state(use.gate), use.cost)

    def state(self, gate: str) -> GateState:
        """Return how much of a gate is used."""
        state = self._states.get(gate)
        if state is None:
            running, debt_at = self._db.execute(parking.GATE_STATE, {"gate": gate}).fetchone()
            state = GateState(running, NEVER if debt_at is None else debt_at)
            self._states[gate] = state
        return state

    def _take(self, seq: int, use: LimitUse, *, now: float) -> None:
        state = self.state(use.gate)
        self._db.execute(parking.TAKE_SLOT, (seq, use.gate, use.name, use.cost))
        self._states[use.gate] = state._replace(running=state.running + 1)
        self._start(use, now=now)

    def _owe(self, gate: str, debt_at: float, *, now: float) -> None:
        self._db.execute(parking.SET_DEBT, (gate, debt_at))
        self._db.execute(parking.FORGET_DEBTS, (now,))
        self._states[gate] = self.state(gate)._replace(debt_at=debt_at)

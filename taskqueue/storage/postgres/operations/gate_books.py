"""How much of each gate is used, as a transaction has left it.

A gate is locked before it is looked at, until the commit, so no other node counts or takes its
slots meanwhile. What this transaction takes is noted here and written together.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping

import msgspec

from taskqueue.rules import limits
from taskqueue.rules.limits import NEVER, UNLIMITED, GateState, LimitUse, LimitValues
from taskqueue.storage.postgres.connections import SQL, Row
from taskqueue.storage.postgres.errors import GatesBusy
from taskqueue.storage.postgres.operations import chains
from taskqueue.storage.postgres.operations.chains import Holder
from taskqueue.storage.postgres.sql import parking

BUCKETS = 256

decode_values = msgspec.json.Decoder(LimitValues).decode


class GateBooks:
    """The limits, and the states of the gates that are locked."""

    def __init__(self, db: SQL) -> None:
        self._db = db
        self._values: Mapping[str, LimitValues] | None = None
        self._states: dict[str, GateState] = {}
        self._buckets: set[int] = set()
        self._taken: list[Row] = []  # slots that are not written yet
        self._owed: dict[str, float] = {}  # debts that are not written yet
        self._now = NEVER

    async def lock(self, gates: Iterable[str]) -> None:
        """Lock gates, and read how much of them is used; nothing for those that are locked."""
        new = {*gates} - self._states.keys()
        if not new:
            return
        await self.values()
        await self.lock_buckets({*map(_bucket_of, new)})
        self._states |= await states_of(self._db, new)

    async def lock_buckets(self, wanted: Collection[int]) -> None:
        """Lock all gates of these buckets.

        Raises:
            GatesBusy: another transaction holds one, and would wait for this one.
        """
        new = sorted({*wanted} - self._buckets)
        if not new:
            return
        if not self._buckets or new[0] > max(self._buckets):
            await self._db.execute(parking.LOCK_GATES, new)
        elif not await self._db.fetchval(parking.TRY_GATES, new):
            raise GatesBusy(frozenset({*self._buckets, *new}))
        self._buckets |= {*new}

    async def values(self) -> Mapping[str, LimitValues]:
        """Return what the limits allow. They do not change before the commit."""
        if self._values is None:
            await self._db.execute(parking.SHARE_LIMITS)
            self._values = await values_of(self._db)
        return self._values

    async def lock_values(self) -> None:
        """Let no other transaction use a limit until the commit: they are about to change."""
        await self._db.execute(parking.LOCK_LIMITS)
        self._values = None

    def forget_values(self) -> None:
        """Read the limits again: they have changed."""
        self._values = None

    async def of(self, use: LimitUse) -> LimitValues:
        """Return what a limit allows; anything, if it is not known."""
        return (await self.values()).get(use.name, UNLIMITED)

    def state(self, gate: str) -> GateState:
        """Return how much of a locked gate is used."""
        return self._states[gate]

    async def opens_at(self, use: LimitUse) -> float:
        """Return from when on a locked gate has room for this."""
        return limits.opens_at(await self.of(use), self._states[use.gate], use.cost)

    async def take(self, seq: int, use: LimitUse, *, now: float) -> None:
        """Take a slot, and count a start."""
        state = self._states[use.gate]
        self._taken.append((seq, use.gate, use.name, use.cost))
        self._states[use.gate] = state._replace(running=state.running + 1)
        await self.start(use, now=now)

    async def start(self, use: LimitUse, *, now: float) -> None:
        """Count a start, if the limit has a rate."""
        values = await self.of(use)
        if values.starts is not None:
            debt_at = self._states[use.gate].debt_at
            self._owe(use.gate, limits.debt_after(values, debt_at, use.cost, now=now), now=now)

    async def free(
        self, held: Mapping[int, Holder], returned: Mapping[int, float], *, now: float
    ) -> list[str]:
        """Free the slots of held rows, or pass them on; return their gates."""
        await self.flush()
        found = await self._db.fetch(parking.GATES_OF, [*held])
        await self.lock(chains.gate_of(gate) for (gate,) in found)
        lines = await self._db.fetch(parking.FREE_SLOTS, [*held])
        freed = [line for line in lines if not chains.is_waiting(line[1])]
        for seq, gate, name, cost in freed:
            state = self._states[gate]
            self._states[gate] = state._replace(running=state.running - 1)
            values = (await self.values()).get(name, UNLIMITED)
            if seq in returned and values.starts is not None:
                left_at = limits.debt_without(
                    values, state.debt_at, cost, started_at=returned[seq], now=now
                )
                self._owe(gate, left_at, now=now)
        for gate in await chains.pass_on(
            self._db, (held[seq] for seq in {row[0] for row in freed})
        ):
            state = self._states[gate]
            self._states[gate] = state._replace(running=state.running + 1)
        return [*dict.fromkeys(gate for _, gate, _, _ in freed)]

    async def flush(self) -> None:
        """Write the slots that were taken, and the debts."""
        taken, self._taken = self._taken, []
        owed, self._owed = self._owed, {}
        if taken:
            await self._db.execute(parking.TAKE_SLOTS, *map(list, zip(*taken, strict=True)))
        if owed:
            await self._db.execute(parking.SET_DEBTS, [*owed], [*owed.values()])
            await self._db.execute(parking.FORGET_DEBTS, self._now, 2 * len(owed))

    def _owe(self, gate: str, debt_at: float, *, now: float) -> None:
        self._owed[gate] = debt_at
        self._now = now
        self._states[gate] = self._states[gate]._replace(debt_at=debt_at)


def _bucket_of(gate: str) -> int:
    return zlib.crc32(gate.encode()) % BUCKETS


async def values_of(db: SQL) -> dict[str, LimitValues]:
    """Return what the limits allow, by name."""
    found = await db.fetch(parking.LIMITS)
    return {name: decode_values(now_holds) for name, now_holds, _, _ in found}


async def states_of(db: SQL, gates: Iterable[str]) -> dict[str, GateState]:
    """Return how much of these gates is used."""
    found = await db.fetch(parking.GATE_STATES, [*gates])
    return {
        gate: GateState(running, NEVER if debt_at is None else debt_at)
        for gate, running, debt_at in found
    }

"""The verbs that lease tasks and settle their attempts."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from taskqueue.rules.expiry import ExpiredTask
from taskqueue.rules.tasks import (
    Accepted,
    Delivery,
    NewTask,
    NotApplied,
    Owner,
    SettleBy,
    Settled,
    Task,
)
from taskqueue.storage.limits import check_limit
from taskqueue.storage.postgres.handler_sql.settling import statements_of
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import (
    claiming,
    expiry,
    inserting,
    leases,
    settling,
)


class PostgresLeases(PostgresLifecycle):
    """Deliveries: each is leased to one owner, and known by its token."""

    async def claim(
        self,
        queue: str,
        *,
        limit: int,
        most_limited: int | None = None,
        chain: int = 0,
        ageing_s: float | None = None,
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[Delivery, ...]:
        check_limit(limit)
        return await self._write(
            partial(
                claiming.claim,
                queue=queue,
                limit=limit,
                most_limited=most_limited,
                chain=chain,
                ageing_s=ageing_s,
                owner=owner,
                expires_at=now + lease_s,
                fronts=self._fronts,
                now=now,
            )
        )

    async def insert_and_claim(
        self,
        tasks: Sequence[NewTask],
        *,
        room: Mapping[str, int],
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
        return await self._write(
            partial(
                inserting.insert_and_claim,
                tasks=tuple(tasks),
                room=dict(room),
                owner=owner,
                expires_at=now + lease_s,
                now=now,
            )
        )

    async def start(self, tokens: Sequence[str], *, now: float) -> None:
        await self._write(partial(leases.start, tokens=tuple(tokens), now=now))

    async def extend(self, tokens: Sequence[str], *, lease_s: float, now: float) -> tuple[str, ...]:
        return await self._write(
            partial(leases.extend, tokens=tuple(tokens), expires_at=now + lease_s)
        )

    async def report(self, progress: Mapping[str, str], *, now: float) -> None:
        await self._write(partial(leases.report, progress=dict(progress)))

    async def settle(
        self, settlements: Sequence[SettleBy], *, patient: bool = False, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        others = [by for by in settlements if not statements_of(by)]
        if len(others) == len(settlements):
            return await self._settle(others, now=now)
        handlers = self._running_handlers()
        applying = [handlers.settle(by, now=now) for by in settlements if statements_of(by)]
        settled, applied = await asyncio.gather(
            self._settle(others, now=now), asyncio.gather(*applying)
        )
        plain, with_statements = iter(settled), iter(applied)
        return tuple(
            next(with_statements) if statements_of(by) else next(plain) for by in settlements
        )

    async def _settle(self, settlements: Sequence[SettleBy], *, now: float) -> tuple[Settled, ...]:
        if not settlements:
            return ()
        return await self._write(partial(settling.settle, settlements=tuple(settlements), now=now))

    async def expire_waiting(self, *, limit: int, now: float) -> tuple[ExpiredTask, ...]:
        check_limit(limit)
        return await self._write(partial(expiry.expire_waiting, limit=limit, now=now))

    async def next_expiry(self) -> float | None:
        return await self._read(expiry.next_expiry)

    async def held(self, owner: Owner) -> tuple[Delivery, ...]:
        return await self._read(partial(leases.held, owner=owner))

    async def cancel_requests(self, owner: Owner) -> Mapping[str, str]:
        return await self._read(partial(leases.cancel_requests, owner=owner))

    async def rescue(self, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
        return await self._read(partial(leases.rescue, owner=owner, now=now))

    async def ahead(self, task: Task, *, limit: int, now: float) -> int:
        check_limit(limit)
        return await self._read_snapshot(partial(leases.ahead, task=task, limit=limit, now=now))

    async def next_due(self, queue: str) -> float | None:
        return await self._read(partial(leases.next_due, queue=queue))

    async def all_due(self) -> Mapping[str, float]:
        return await self._read(leases.all_due)

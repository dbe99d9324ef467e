"""Stores the audit trail behind the answers: no request waits for it, and none fails with it."""

import asyncio

from taskqueue.commands import Ask, RecordChanges
from taskqueue.events import events
from taskqueue.http.audit import AuditTrail
from taskqueue.http.problems import UNAVAILABLE

PAUSE_S = 0.5  # the changes of this time share a commit
RETRY_S = 5.0  # after a failure
FINISH_S = 2.0  # at the stop
BATCH = 500


class AuditWriter:
    """Stores what is recorded in a trail."""

    def __init__(self, ask: Ask, trail: AuditTrail) -> None:
        self._ask = ask
        self._trail = trail

    async def keep_writing(self) -> None:
        """Store each change within a second; during an outage keep it and try again."""
        while True:
            await self._trail.has_unstored()
            await asyncio.sleep(PAUSE_S)
            try:
                await self._write()
            except UNAVAILABLE as error:
                events.info("audit_postponed", reason=str(error))
                await asyncio.sleep(RETRY_S)

    async def finish(self) -> None:
        """Store the rest, in a limited time."""
        try:
            async with asyncio.timeout(FINISH_S):
                await self._write()
        except (*UNAVAILABLE, TimeoutError) as error:
            events.warning("audit_lost", changes=self._trail.count, reason=str(error))

    async def _write(self) -> None:
        while changes := self._trail.unstored(BATCH):
            await self._ask(RecordChanges(changes=changes))
            self._trail.stored(changes)

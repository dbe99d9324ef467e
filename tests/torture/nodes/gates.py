"""Looks at the gates of limits while nodes run: every commit leaves them in order."""

import asyncio
import contextlib
from collections import Counter
from typing import Any

import asyncpg

from taskqueue.verification.stopped_gates import StoppedGates, disordered

PAUSE_S = 0.3
CONNECT_S = 5.0

_RUNNING = """
SELECT name, (coalesce(changed, declared)::json ->> 'running')::float8::int AS most
FROM taskqueue.task_limits WHERE coalesce(changed, declared)::json ->> 'running' IS NOT NULL
"""
_HELD = "SELECT gate FROM taskqueue.held_slots"
_PARKED = "SELECT gate FROM taskqueue.tasks WHERE gate IS NOT NULL AND gate <> '/turn'"
_OPEN = """
SELECT use ->> 0 || coalesce('/' || (use ->> 1), '') AS gate
FROM taskqueue.tasks, json_array_elements(limits::json) AS use
WHERE token IS NULL AND processed_at IS NULL AND gate IS NULL AND limits IS NOT NULL
"""
_OPENING = "SELECT gate FROM taskqueue.gate_openings"


class GateWatch:
    """Reads the gates again and again, each time in one snapshot."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.found: Counter[str] = Counter()
        self.looks = 0

    async def run(self) -> None:
        """Look until cancelled; a server that is away is waited for."""
        while True:
            with contextlib.suppress(
                OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError
            ):
                await self._look_on()
            await asyncio.sleep(PAUSE_S)

    async def _look_on(self) -> None:
        db = await asyncpg.connect(self._url, timeout=CONNECT_S, command_timeout=CONNECT_S)
        try:
            while True:
                self.found.update(disordered(await _gates(db)))
                self.looks += 1
                await asyncio.sleep(PAUSE_S)
        finally:
            db.terminate()


async def _gates(db: Any) -> StoppedGates:
    async with db.transaction(isolation="repeatable_read", readonly=True):
        return StoppedGates(
            held=await _counted(db, _HELD),
            parked=await _counted(db, _PARKED),
            open=await _counted(db, _OPEN),
            opening={row["gate"] for row in await db.fetch(_OPENING)},
            running={row["name"]: row["most"] for row in await db.fetch(_RUNNING)},
        )


async def _counted(db: Any, query: str) -> Counter[str]:
    return Counter(row["gate"] for row in await db.fetch(query))

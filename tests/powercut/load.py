"""Clients of the service under power cuts, and the ledger of what they were told."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import aiohttp

CLIENTS = 6
LIST = 150  # tasks at most
LONGEST = 3_000  # characters of a payload
LIMITED, GROUPED = 0.1, 0.2  # share of the tasks
GROUPS = 20
RETRY_S = 0.05
ANSWER_TIMEOUT_S = 10.0
LOOK_S = 0.5  # seldom: no log begins anew beside a read


class Note(NamedTuple):
    """A fact that every image from this position of the trace on has to know."""

    position: int
    task_id: str
    status: str | None = None  # its end; None: it was accepted


class Load:
    """Posts all the time. `notes` are what was acknowledged."""

    def __init__(self, draw: random.Random, now: Callable[[], int]) -> None:
        """Make clients that note what they are told at `now`, a position of the trace."""
        self.url = ""
        self.notes: list[Note] = []
        self._draw = draw
        self._now = now
        self._refused: asyncio.Event = asyncio.Event()

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """Post while inside."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            clients = [asyncio.create_task(self._post_on(http)) for _ in range(CLIENTS)]
            clients.append(asyncio.create_task(self._look_on(http)))
            try:
                yield
            finally:
                for client in clients:
                    client.cancel()
                for end in await asyncio.gather(*clients, return_exceptions=True):
                    if not isinstance(end, asyncio.CancelledError):
                        raise end if isinstance(end, BaseException) else AssertionError(end)

    async def accepted(self, more: int, within_s: float) -> bool:
        """Wait until so many more tasks were accepted; tell whether they were in time."""
        goal = len(self.notes) + more
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while len(self.notes) < goal:  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(0.01)
        return len(self.notes) >= goal

    async def _post_on(self, http: aiohttp.ClientSession) -> None:
        while True:
            try:
                await self._post(http)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(RETRY_S)

    async def _post(self, http: aiohttp.ClientSession) -> None:
        count = self._draw.choice((0, 0, 0, self._draw.randint(1, LIST)))
        body = [self._task() for _ in range(count)] if count else self._task()
        async with http.post(f"{self.url}/tasks", json=body) as response:
            if response.status != 202:
                await asyncio.sleep(RETRY_S)
                return
            answer = await response.json()
        tasks = answer["tasks"] if count else [answer]
        self._note([task["id"] for task in tasks], None)
        if not count and answer["status"] == "scheduled":
            async with http.post(f"{self.url}/tasks/{answer['id']}/cancel") as response:
                if response.status == 200:
                    self._note([answer["id"]], "cancelled")

    async def _look_on(self, http: aiohttp.ClientSession) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                query = f"{self.url}/tasks?status=completed&limit=50"
                async with http.get(query) as response:
                    if response.status == 200:
                        tasks = (await response.json())["tasks"]
                        self._note([task["id"] for task in tasks], "completed")
            await asyncio.sleep(LOOK_S)

    def _task(self) -> dict[str, Any]:
        later = {"delay_s": 3600} if self._draw.random() < 0.1 else {}
        data = {"text": "x" * self._draw.randint(0, LONGEST)}
        group = {"group": f"group-{self._draw.randint(1, GROUPS)}"} if self._draws(GROUPED) else {}
        if self._draws(LIMITED):
            lane = self._draw.choice("ab")
            return {"action": "limited", "data": {**data, "lane": lane}, **later, **group}
        return {"action": "uppercase", "data": data, **later, **group}

    def _draws(self, share: float) -> bool:
        return self._draw.random() < share

    def _note(self, task_ids: list[str], status: str | None) -> None:
        position = self._now()
        self.notes += [Note(position, task_id, status) for task_id in task_ids]

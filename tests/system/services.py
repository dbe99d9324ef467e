"""The services that a test starts, and how it talks to them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from taskqueue.testing.events import Event, EventLog
from taskqueue.testing.process import PRINTED, ServiceProcess
from tests.bytecode import KEPT

T = TypeVar("T")

TIMEOUT_S = 20.0  # for everything a test waits for; generous, because the machine may be busy

# What has no place in the log of a healthy service, whatever is done to it from outside.
SURPRISES = (
    "actor_abandoned",
    "actor_close_failed",
    "actor_crashed",
    "child_start_failed",
    "child_stop_failed",
    "http_error",
    "message_unexpected",
    "supervisor_escalated",
    PRINTED,
)


class Services:
    """Starts services in one folder, and ends those that are left."""

    def __init__(self, folder: Path, *, kind: type[ServiceProcess] = ServiceProcess) -> None:
        self.folder = folder
        self._kind = kind
        self.lives: list[ServiceProcess] = []
        self._expected: set[str] = set()

    def expect(self, *events: str) -> None:
        """Say which surprises the test brings about itself."""
        self._expected.update(events)

    async def launch(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        kind: type[ServiceProcess] | None = None,
    ) -> ServiceProcess:
        """Start a process without waiting for it to be ready."""
        life = (kind or self._kind)(self.folder, *arguments, env={**KEPT, **(env or {})})
        self.lives.append(life)
        return await life.launch()

    async def start(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        kind: type[ServiceProcess] | None = None,
    ) -> ServiceProcess:
        """Start a process and wait until it is ready."""
        return await (await self.launch(*arguments, env=env, kind=kind)).ready()

    async def end(self) -> None:
        """Kill what still runs."""
        for life in self.lives:
            await life.end()

    def surprises(self) -> list[dict[str, Any]]:
        """Return what the logs should not have."""
        return [
            event
            for life in self.lives
            for name in SURPRISES
            if name not in self._expected
            for event in life.events.select(name)
        ]


class Client:
    """Talks HTTP to a service, or to the next life of it."""

    def __init__(self, http: aiohttp.ClientSession, service: ServiceProcess) -> None:
        self.http = http
        self.service = service

    async def post(
        self, action: str, *, options: Mapping[str, Any] | None = None, **data: Any
    ) -> str:
        """Post a task that must be accepted; return its id."""
        body = {"action": action, "data": data, **(options or {})}
        return str((await self.change("POST", "/tasks", body)).body["id"])

    async def try_to_post(
        self, action: str, *, options: Mapping[str, Any] | None = None, **data: Any
    ) -> "Answer":
        """Post a task that may be refused."""
        body = {"action": action, "data": data, **(options or {})}
        return await self._answer("POST", "/tasks", body)

    async def try_to_change(self, path: str) -> "Answer":
        """Ask for a change that may be refused."""
        return await self._answer("POST", path, {})

    async def kill(self, path: str) -> None:
        """Have an actor killed."""
        await self.change("POST", "/supervision/kill", {"path": path})

    async def redrive(self, task_id: str) -> None:
        """Have a dead task tried again."""
        await self.change("POST", f"/tasks/{task_id}/redrive")

    async def get(self, path: str) -> "Answer":
        """Ask for something."""
        return await self._answer("GET", path, None)

    async def change(self, method: str, path: str, body: object = None) -> "Answer":
        """Have something changed, which must be accepted; for a while, disks may be slow."""
        answer = await until(
            lambda: self._answer(method, path, {} if body is None else body),
            lambda answer: not answer.is_refused_for_now,
        )
        assert answer.status < 300, answer
        return answer

    async def show(self, task_id: str) -> dict[str, Any]:
        """Return a task and its attempts."""
        answer = await self.get(f"/tasks/{task_id}")
        assert answer.status == 200, answer
        return answer.body

    async def _answer(self, method: str, path: str, body: object) -> "Answer":
        async with self.http.request(method, f"{self.service.url}{path}", json=body) as response:
            return Answer(response.status, dict(response.headers), await response.json())


class Answer:
    """What came back. An absence (503) always says when to come again."""

    def __init__(self, status: int, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        self.status = status
        self.body = body
        assert status != 503 or "Retry-After" in headers, headers

    @property
    def is_refused_for_now(self) -> bool:
        """Whether the request was not looked at, because the storage did not answer."""
        return self.status == 503 and "Nothing was changed" in self.body.get("detail", "")

    def __repr__(self) -> str:
        return f"{self.status} {self.body}"


async def until(ask: Callable[[], Awaitable[T]], is_it: Callable[[T], bool]) -> T:
    """Ask again and again until the answer is the one that is wanted; for what no event tells."""
    answer: T | None = None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not is_it(answer := await ask()):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"still {answer!r} after {TIMEOUT_S:g} s") from None
    return answer


async def when(task_ids: list[str], service: ServiceProcess, event: str) -> None:
    """Wait until each of the tasks has had an event."""
    for task_id in task_ids:
        await service.wait_for(event, task_id=task_id, timeout_s=TIMEOUT_S)


def outages(events: EventLog) -> list[Event]:
    """Return the outages of the storage, but for moments in which this machine's disk was slow."""
    degraded = events.select("storage_degraded")
    return [each for each in degraded if "is waiting for the disk" not in each["reason"]]

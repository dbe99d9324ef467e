"""Clients that post all the time and write down what they were told, and nothing else."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp

from tests.torture.app import BEHAVIOURS

CLIENTS = 8
PAUSE_S = 0.08  # between two tasks of one client, on average
RETRY_S = 0.1
ANSWER_TIMEOUT_S = 5.0
IMPATIENT = 0.2  # share of the tasks that are never posted again, whatever became of the first try


@dataclass(slots=True)
class Note:
    """One task as its client knows it."""

    key: str
    action: str
    patient: bool
    ids: list[str] = field(default_factory=list)  # one for each 202
    unanswered: int = 0  # tries that ended in 503, a cut connection or silence
    refusals: list[str] = field(default_factory=list)  # answers that a correct request never gets

    @property
    def accepted(self) -> bool:
        """Whether the client was promised that it will be done."""
        return bool(self.ids)


class Load:
    """The clients. `notes` are all they know at the end."""

    def __init__(self, seed: int, url: Callable[[], str]) -> None:
        """Make clients that post nothing yet.

        Args:
            seed: decides who posts what, and when.
            url: where the service is now.
        """
        self.notes: list[Note] = []
        self._seed = seed
        self._url = url
        self._over = False
        self._numbers = iter(range(10**9))

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """Post while inside; on leaving, each client ends with the try that it is at."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as clients:
            for client in range(CLIENTS):
                draw = random.Random(f"{self._seed}/client/{client}")
                clients.create_task(self._post_on(http, draw))
            try:
                yield
            finally:
                self._over = True

    async def _post_on(self, http: aiohttp.ClientSession, draw: random.Random) -> None:
        actions = list(BEHAVIOURS)
        weights = [each.weight for each in BEHAVIOURS.values()]
        while not self._over:
            [action] = draw.choices(actions, weights)
            key = f"{self._seed}-{next(self._numbers)}"
            note = Note(key=key, action=action, patient=draw.random() >= IMPATIENT)
            self.notes.append(note)
            await self._post(http, note)
            await asyncio.sleep(draw.expovariate(1 / PAUSE_S))

    async def _post(self, http: aiohttp.ClientSession, note: Note) -> None:
        """Post a task; if its client is patient, until it is accepted or the load is over."""
        while not await self._try(http, note) and note.patient and not self._over:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)

    async def _try(self, http: aiohttp.ClientSession, note: Note) -> bool:
        """Post a task once; tell whether there was an answer that will not change."""
        body = {"action": note.action, "data": {"key": note.key}}
        headers = {"Idempotency-Key": note.key}
        try:
            async with http.post(f"{self._url()}/tasks", json=body, headers=headers) as answer:
                return await _noted(note, answer)
        except (aiohttp.ClientError, TimeoutError):
            note.unanswered += 1
            return False


async def _noted(note: Note, answer: aiohttp.ClientResponse) -> bool:
    if answer.status == 202:
        note.ids.append((await answer.json())["id"])
        return True
    if answer.status == 503:
        note.unanswered += 1
        return False
    note.refusals.append(f"{answer.status} {await answer.text()}")
    return True

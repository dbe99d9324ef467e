"""Clients that post tasks all the time, and note the answers."""

import asyncio
import contextlib
import random
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from taskqueue.verification.app import LANES
from taskqueue.verification.behaviours import BEHAVIOURS, Behaviour

CLIENTS = 8
PAUSE_S = 0.08  # between two tasks of one client, on average
RETRY_S = 0.1
ANSWER_TIMEOUT_S = 5.0
IMPATIENT = 0.2  # share of the tasks that are posted only once, whatever the answer
LISTS, LONGEST_LIST = 0.1, 8  # share of the posts that are lists
DELETES = 0.1  # share of the accepted tasks that are asked to go
EXPIRES, MAY_WAIT_S = 0.05, (0.02, 0.2, 2.0)  # share of the tasks that expire, and after how long
GROUPED, CLOSES = 0.3, 0.1  # share of the posts into a group, and of those that it is closed after
QUEUE = "default"
LIMIT = "narrow"


@dataclass(slots=True)
class Note:
    """One task, as its client knows it."""

    key: str
    action: str
    patient: bool
    ids: list[str] = field(default_factory=list)  # one for each 202
    unanswered: int = 0  # tries that ended in 503, a cut connection or silence
    refusals: list[str] = field(default_factory=list)  # answers that a correct request must not get
    cancel_asked: bool = False  # whatever the answer, it may have been cancelled
    cancelled: bool = False  # as the answer said
    delete_asked: bool = False
    deleted: bool = False
    group: str | None = None
    expires_s: float | None = None
    follows: str | None = None  # the group whose end it follows
    closed: bool = False  # that group, as the answer said

    @property
    def accepted(self) -> bool:
        """Whether the task was accepted."""
        return bool(self.ids)


class Load:
    """The clients. `notes` are all that they were told."""

    def __init__(
        self,
        seed: int,
        url: Callable[[], str],
        behaviours: Mapping[str, Behaviour] = BEHAVIOURS,
    ) -> None:
        """Make clients that post nothing yet.

        Args:
            seed: decides who posts what, and when.
            url: where the service is now.
            behaviours: of the actions that are posted.
        """
        self.notes: list[Note] = []
        self.pauses = 0
        self._seed = seed
        self._url = url
        self._behaviours = behaviours
        self._over = False
        self._numbers = iter(range(10**9))

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """Post while inside; on leaving, each client finishes its current request."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as clients:
            # Otherwise aiohttp repeats a DELETE whose connection broke, and returns only the second
            # answer, which is 404 if the first one was carried out.
            http._retry_connection = False  # noqa: SLF001 - there is no option for it
            for client in range(CLIENTS):
                draw = random.Random(f"{self._seed}/client/{client}")
                clients.create_task(self._post_on(http, draw))
            clients.create_task(self._pause_on(http, random.Random(f"{self._seed}/operator")))
            clients.create_task(self._narrow_on(http, random.Random(f"{self._seed}/limits")))
            try:
                yield
            finally:
                self._over = True

    async def _post_on(self, http: aiohttp.ClientSession, draw: random.Random) -> None:
        mine: list[Note] = []
        group = self._new_group()
        while not self._over:
            notes = self._drawn(draw, group)
            self.notes += notes
            mine += notes
            await self._post(http, notes)
            await asyncio.sleep(draw.expovariate(1 / PAUSE_S))
            if draw.random() < self._behaviours[notes[-1].action].cancels:
                await self._cancel(http, notes[-1])
            if draw.random() < DELETES:
                await self._delete(http, draw.choice(mine))
            if draw.random() < CLOSES:  # nothing of this client is on its way any more
                await self._close(http, group)
                group = self._new_group()

    def _new_group(self) -> str:
        return f"group-{self._seed}-{next(self._numbers)}"

    def _drawn(self, draw: random.Random, group: str) -> list[Note]:
        """Draw a task, or the tasks of a list, under keys as the service makes them."""
        length = draw.randint(1, LONGEST_LIST) if draw.random() < LISTS else None
        key = f"{self._seed}-{next(self._numbers)}"
        keys = [key] if length is None else [f"{key}/{index}" for index in range(length)]
        weights = [each.weight for each in self._behaviours.values()]
        actions = draw.choices(list(self._behaviours), weights, k=len(keys))
        if self._behaviours[actions[0]].is_limited:
            actions = actions[:1] * len(keys)
        patient = draw.random() >= IMPATIENT
        joined = group if draw.random() < GROUPED else None
        return [
            Note(
                key=key,
                action=action,
                patient=patient,
                group=joined,
                expires_s=draw.choice(MAY_WAIT_S) if draw.random() < EXPIRES else None,
            )
            for key, action in zip(keys, actions, strict=True)
        ]

    async def _post(self, http: aiohttp.ClientSession, notes: Sequence[Note]) -> None:
        """Post tasks; a patient client repeats that until they are accepted or the load is over."""
        while not await self._try(http, notes) and notes[0].patient and not self._over:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)

    async def _try(self, http: aiohttp.ClientSession, notes: Sequence[Note]) -> bool:
        """Post tasks once; return whether the answer is final."""
        bodies = [self._body(note) for note in notes]
        key, _, index = notes[0].key.partition("/")
        body = bodies if index else bodies[0]
        told = await self._asked(
            http, notes, "POST", "/tasks", json=body, headers={"Idempotency-Key": key}
        )
        if told is None:
            return False
        status, answer = told
        if status == 202:
            receipts = answer["tasks"] if index else [answer]
            for note, receipt in zip(notes, receipts, strict=True):
                note.ids.append(receipt["id"])
        else:
            _refuse(notes, status, answer)
        return True

    async def _close(self, http: aiohttp.ClientSession, group: str) -> None:
        """Close a group, with as many requests as that takes until the load is over."""
        note = Note(key=f"after-{group}", action="quick", patient=True, follows=group)
        self.notes.append(note)
        told = None
        while told is None and not self._over:
            told = await self._asked(
                http, [note], "POST", f"/groups/{group}/close", json={"then": self._body(note)}
            )
            await asyncio.sleep(RETRY_S)
        match told:
            case 200, _:
                note.closed = True
            case None:
                pass
            case status, answer:
                _refuse([note], status, answer)

    async def _cancel(self, http: aiohttp.ClientSession, note: Note) -> None:
        if not note.accepted:
            return
        note.cancel_asked = True
        told = await self._asked(http, [note], "POST", f"/tasks/{note.ids[0]}/cancel", json={})
        match told:
            case 200, _:
                note.cancelled = True
            case None | (202 | 409, _):
                pass
            case status, answer:
                _refuse([note], status, answer)

    async def _delete(self, http: aiohttp.ClientSession, note: Note) -> None:
        # Without the parent its follow-ups could not be checked.
        if not note.accepted or note.action == "parent" or note.delete_asked:
            return
        note.delete_asked = True
        told = await self._asked(http, [note], "DELETE", f"/tasks/{note.ids[0]}")
        match told:
            case 204, _:
                note.deleted = True
            case 409, _:  # it has not ended
                note.delete_asked = False
            case None:
                pass
            case status, answer:
                _refuse([note], status, answer)

    async def _pause_on(self, http: aiohttp.ClientSession, draw: random.Random) -> None:
        while not self._over:
            await asyncio.sleep(draw.uniform(0.5, 3.0))
            told = await self._asked(http, [], "POST", f"/queues/{QUEUE}/pause", json={})
            self.pauses += told is not None
            await asyncio.sleep(draw.uniform(0.1, 0.5))
            await self.resume(http)

    async def resume(self, http: aiohttp.ClientSession) -> None:
        """Resume the queue, with as many requests as that takes."""
        while await self._asked(http, [], "POST", f"/queues/{QUEUE}/resume", json={}) is None:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)

    async def _narrow_on(self, http: aiohttp.ClientSession, draw: random.Random) -> None:
        """Have a limit allow less, and as much as before again."""
        while not self._over:
            await asyncio.sleep(draw.uniform(0.5, 3.0))
            await self._asked(http, [], "PUT", f"/limits/{LIMIT}", json={"running": 1})
            await asyncio.sleep(draw.uniform(0.5, 2.0))
            await self.reset_limit(http)

    async def reset_limit(self, http: aiohttp.ClientSession) -> None:
        """Take the change of the limit back, with as many requests as that takes."""
        while await self._asked(http, [], "DELETE", f"/limits/{LIMIT}") is None:  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)

    async def _asked(
        self,
        http: aiohttp.ClientSession,
        notes: Sequence[Note],
        method: str,
        path: str,
        **request: Any,
    ) -> tuple[int, Any] | None:
        """Return status and answer; None if there was none, or a 503."""
        try:
            async with http.request(method, f"{self._url()}{path}", **request) as answer:
                if answer.status != 503:
                    return answer.status, None if answer.status == 204 else await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            pass
        for note in notes:
            note.unanswered += 1
        return None

    def _body(self, note: Note) -> dict[str, Any]:
        data: dict[str, Any] = {"key": note.key}
        if self._behaviours[note.action].has_lanes:
            data["lane"] = zlib.crc32(note.key.encode()) % LANES
        given = {"group": note.group, "expires_s": note.expires_s}
        options = {name: value for name, value in given.items() if value is not None}
        return {"action": note.action, "data": data, **options}


def _refuse(notes: Sequence[Note], status: int, answer: object) -> None:
    for note in notes:
        note.refusals.append(f"{status} {answer}")

"""The tokens are cached: fresh, and without a round trip per request."""

import asyncio
from typing import Any

import pytest

from taskqueue.commands import GetTokens, NoteTokenUse
from taskqueue.errors import StorageUnavailable
from taskqueue.http import credentials
from taskqueue.http.credentials import FRESH_S, STALE_S, USE_S, Credentials
from taskqueue.rules.access import Role, Token, digest_of

LIMIT_S = 10.0


class Clock:
    """Time that is moved by hand, for instants and for ages."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class Storage:
    """Answers the two commands."""

    def __init__(self) -> None:
        self.tokens: dict[str, Token] = {}
        self.reads = 0
        self.uses: list[dict[str, float]] = []
        self.fault: Exception | None = None
        self.holds = asyncio.Event()
        self.holds.set()

    def add(self, name: str) -> None:
        self.tokens[name] = Token(
            name=name, role=Role.ADMIN, digest=digest_of(name), created_at=0.0
        )

    async def __call__(self, message: Any) -> Any:
        await self.holds.wait()
        if self.fault is not None:
            raise self.fault
        match message:
            case GetTokens():
                self.reads += 1
                return tuple(self.tokens.values())
            case NoteTokenUse(used=used):
                self.uses.append(dict(used))
                for name, at in used.items():
                    old = self.tokens[name]
                    self.tokens[name] = Token(
                        name=name,
                        role=old.role,
                        digest=old.digest,
                        created_at=0.0,
                        used_at=at,
                    )
                return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(credentials, "monotonic", moved.monotonic)
    return moved


async def found(known: Credentials, text: str) -> bool:
    async with asyncio.timeout(LIMIT_S):
        return (await known.current()).find(text, now=0.0) is not None


async def test_requests_at_one_instant_read_the_tokens_once(clock: Clock) -> None:
    storage = Storage()
    known = Credentials(storage, clock)

    for _ in range(100):
        await known.current()

    assert storage.reads == 1


async def test_an_older_state_is_read_again_beside_the_request(clock: Clock) -> None:
    storage = Storage()
    known = Credentials(storage, clock)
    await known.current()
    storage.add("ci")
    clock.at += FRESH_S

    before = await found(known, "ci")
    await asyncio.sleep(0)  # the read beside it answers at once
    after = await found(known, "ci")

    assert (before, after, storage.reads) == (False, True, 2)


async def test_a_request_after_a_pause_waits_for_the_tokens_of_now(clock: Clock) -> None:
    storage = Storage()
    storage.add("ci")
    known = Credentials(storage, clock)
    await known.current()
    del storage.tokens["ci"]
    clock.at += STALE_S + 0.1

    assert not await found(known, "ci")


async def test_while_the_storage_does_not_answer_the_last_known_tokens_count(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "REFRESH_WAIT_S", 0.01)
    storage = Storage()
    storage.add("ci")
    known = Credentials(storage, clock)
    await known.current()

    storage.fault = StorageUnavailable("disk full")
    clock.at += 60.0
    while_failing = await found(known, "ci")
    storage.fault = None
    storage.holds.clear()
    clock.at += 60.0
    while_hanging = await found(known, "ci")
    await known.close()

    assert (while_failing, while_hanging) == (True, True)


async def test_requests_do_not_wait_one_after_the_other_for_a_storage_that_hangs(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage()
    storage.add("ci")
    known = Credentials(storage, clock)
    await known.current()
    storage.holds.clear()
    clock.at += 60.0
    monkeypatch.setattr(credentials, "REFRESH_WAIT_S", 0.01)
    await known.current()
    clock.at += 0.01  # the wait for this refresh is over
    waited: list[float | None] = []
    wait = asyncio.wait

    async def noted(tasks: Any, *, timeout: float | None) -> Any:
        waited.append(timeout)
        return await wait(tasks, timeout=timeout)

    monkeypatch.setattr(credentials.asyncio, "wait", noted)

    found = [(await known.current()).find("ci", now=0.0) is not None for _ in range(3)]
    monkeypatch.setattr(credentials.asyncio, "wait", wait)
    await known.close()

    assert (found, waited) == ([True] * 3, [0.0] * 3)


async def test_tokens_that_were_never_read_are_no_reason_to_let_anyone_in(clock: Clock) -> None:
    storage = Storage()
    storage.fault = StorageUnavailable("not opened yet")
    known = Credentials(storage, clock)

    with pytest.raises(StorageUnavailable, match="not opened yet"):
        await known.current()
    storage.fault = None

    assert not await known.current()


async def test_a_use_is_written_at_once_and_then_at_most_once_a_minute(clock: Clock) -> None:
    storage = Storage()
    storage.add("ci")
    known = Credentials(storage, clock)

    async def use() -> None:
        token = (await known.current()).find("ci", now=0.0)
        assert token is not None
        known.used(token)
        for _ in range(10):  # what is read and written beside requests
            await asyncio.sleep(0)

    for _ in range(3):
        await use()
    first = list(storage.uses)
    clock.at += USE_S + 1.0
    await use()
    await use()

    assert first == [{"ci": 1000.0}]
    assert storage.uses == [{"ci": 1000.0}, {"ci": 1000.0 + USE_S + 1.0}]


async def test_a_use_that_could_not_be_written_is_written_later(clock: Clock) -> None:
    storage = Storage()
    storage.add("ci")
    known = Credentials(storage, clock)
    token = (await known.current()).find("ci", now=0.0)
    assert token is not None

    storage.fault = StorageUnavailable("disk full")
    known.used(token)
    for _ in range(5):
        await asyncio.sleep(0)
    storage.fault = None
    clock.at += 1.0
    await known.current()
    for _ in range(5):
        await asyncio.sleep(0)

    assert storage.uses == [{"ci": 1000.0}]

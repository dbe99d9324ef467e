"""The tree of one episode, and what must hold after it."""

import asyncio
import contextlib
import io
import json
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Iterator
from functools import partial
from random import Random
from typing import Any

import msgspec
import structlog

from taskqueue.foreign.inspection import name_of
from taskqueue.runtime import (
    Actor,
    ActorRef,
    Message,
    Request,
    System,
    ask,
    get_log,
    get_state,
    process_info,
    receives,
    request,
    tell,
)
from taskqueue.supervision import (
    Backoff,
    ChildNotFound,
    ChildSpec,
    ChildStartFailed,
    Flags,
    Intensity,
    Supervisor,
    overview,
    snapshot,
    start_child,
    which_child,
)
from tests.misbehaviour.deeds import Bad, BadHermit, BadTrapper, Misbehave
from tests.misbehaviour.values import odd

LIMIT_S = 20.0  # for each wait: it ends within milliseconds, or never
BACKOFF = Backoff(initial_s=0.001, max_s=0.01, jitter=0.0, stable_s=60.0)
FLAGS = Flags(intensity=Intensity(max_restarts=1_000_000, period_s=1))


class Double(Request[int]):
    """Answered with twice the number."""

    number: int


class Healthy(Actor):
    """An actor that works."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.registered_name = name

    @receives(Double)
    async def on_double(self, message: Double) -> int:
        """Return twice the number."""
        await asyncio.sleep(0)
        return 2 * message.number


class HealthyHermit(Healthy):
    """A healthy actor on its own thread."""

    dedicated_host = True


class Odd(Message):
    """An unexpected message that contains an odd value."""

    value: object


QUESTIONS = (get_state, get_log)
KINDS = {"bad": Bad, "trapper": BadTrapper, "hermit": BadHermit}


def play(random: Random, deeds: list[str]) -> None:
    """Play an episode.

    Raises:
        AssertionError: a check has failed.
    """
    threads = set(threading.enumerate())
    with _logged() as lines:
        asyncio.run(_play(random, deeds))
    for line in lines():
        json.loads(line)
    left = {each for each in threading.enumerate() if not each.name.startswith("asyncio_")}
    assert left <= threads, f"threads are left: {left - threads}"


@contextlib.contextmanager
def _logged() -> Iterator[Any]:
    """Log JSON to memory, with a processor that raises if it cannot render a value."""
    before, stream = structlog.get_config(), io.StringIO()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    try:
        yield lambda: stream.getvalue().splitlines()
    finally:
        structlog.configure(**before)


async def _play(random: Random, deeds: list[str]) -> None:
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
    async with System(kill_grace_s=0.05) as system:
        root = await system.spawn(Supervisor, "root", [BRANCH], FLAGS)
        branch, *healthy = (_running(system, name) for name in ("branch", "healthy", "distant"))
        for name in KINDS:
            await _add(branch, name, random)
        before = [request(ref, Double(number=21)) for ref in healthy]
        calls = [call for deed in deeds async for call in _misbehave(system, branch, random, deed)]
        assert [await _within(each) for each in before] == [42, 42]
        questions = await _inspect(root, system)
        for name in KINDS:
            ref = system.names.whereis(name)
            if ref is not None:
                ref.kill()
        for each in (*calls, *questions):
            await _answered(each)
        assert _running(system, "branch") is branch, "the supervisor has crashed"
        assert [_running(system, name) for name in ("healthy", "distant")] == healthy
        assert [await _within(ask(ref, Double(number=1))) for ref in healthy] == [2, 2]
        await _all_run(branch)
    assert broken == [], "\n".join(map(_described, broken))


def _described(context: dict[str, Any]) -> str:
    """Describe what the loop's exception handler has received, without rendering odd values."""
    error = context.get("exception")
    where = traceback.format_tb(error.__traceback__) if error is not None else []
    return "".join([f"{context['message']}: {name_of(type(error))}\n", *where])


async def _start_healthy(kind: type[Healthy], name: str) -> ActorRef:
    return await kind.start_link(name)


BRANCH = ChildSpec(
    id="branch",
    start=lambda: Supervisor.start_link(
        "branch",
        [
            ChildSpec(id="healthy", start=partial(_start_healthy, Healthy, "healthy")),
            ChildSpec(id="distant", start=partial(_start_healthy, HealthyHermit, "distant")),
        ],
        FLAGS,
    ),
)


async def _add(branch: ActorRef, name: str, random: Random) -> None:
    """Add a bad child, however often its start fails."""
    start = partial(KINDS[name].start_link, name, random)
    spec = ChildSpec(id=name, start=start, backoff=BACKOFF)
    while True:
        with contextlib.suppress(ChildStartFailed):
            await _within(start_child(branch, spec))
            return


def _running(system: System, name: str) -> ActorRef:
    ref = system.names.whereis(name)
    assert ref is not None, f"{name} does not run"
    return ref


async def _misbehave(
    system: System, branch: ActorRef, random: Random, deed: str
) -> AsyncIterator[Any]:
    """Ask a bad actor to do a deed; yield the call, which may be answered only when it ends."""
    ref = system.names.whereis(random.choice(sorted(KINDS)))
    if ref is None:
        return
    for _ in range(random.randrange(3)):
        tell(ref, random.choice((odd(random), Odd(value=odd(random)))))
    if random.random() < 0.2:
        with contextlib.suppress(ChildNotFound):
            await _within(which_child(branch, odd(random)))
    yield request(ref, Misbehave(deed=deed, random=random))
    await asyncio.sleep(random.choice((0.0, 0.001)))


async def _inspect(root: ActorRef, system: System) -> list[Awaitable[object]]:
    """Inspect the tree and all actors; return the questions that bad actors may answer late."""
    msgspec.json.encode(await _within(snapshot(root)))
    for ref in system.actors:
        info = process_info(ref)
        assert info is None or msgspec.json.encode(info)
        str(ref)
    bad = [ref for name in KINDS if (ref := system.names.whereis(name)) is not None]
    return [asyncio.ensure_future(question(ref)) for ref in bad for question in QUESTIONS]


async def _answered(call: Awaitable[object]) -> None:
    with contextlib.suppress(BaseException):
        await _within(call)


async def _within(call: Awaitable[Any]) -> Any:
    async def wait() -> Any:
        return await call

    task = asyncio.ensure_future(wait())
    done, _ = await asyncio.wait([task], timeout=LIMIT_S)
    assert done, "a caller hangs"
    return task.result()


async def _all_run(branch: ActorRef) -> None:
    async with asyncio.timeout(LIMIT_S):
        while any(child.ref is None for child in (await overview(branch)).children):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(BACKOFF.max_s)

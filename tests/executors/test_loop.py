"""The loop executor: limits and cancellations."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from taskqueue import App, Context, Retry
from taskqueue.api.handler import Handler as Registered
from taskqueue.executors.loop import LoopExecutor
from taskqueue.rules.tasks import Failed, Outcome, Succeeded, TimedOut
from taskqueue.testing.claims import claimed

SHORT_S = 0.01
LONG_S = 30.0

Body = Callable[[], Awaitable[object]]


async def run(body: Body, *, timeout_s: float | None = None) -> Outcome:
    app = App()

    @app.task("work", timeout_s=timeout_s)
    async def work(ctx: Context) -> object:
        return await body()

    context = Context(claimed(app.prepare("work")), limit_s=timeout_s)
    return await LoopExecutor().run(app.handler("work"), context, {})


def idle() -> tuple[Registered, Context]:
    """Return a handler that does nothing and never waits, and a context for it."""
    app = App()

    @app.task("idle")
    async def idle(ctx: Context) -> None: ...

    return app.handler("idle"), Context(claimed(app.prepare("idle")))


class Handler:
    """A body that waits for ever, and does `when_cut` once it is cancelled."""

    def __init__(self, when_cut: Callable[[], object] | None = None) -> None:
        self.started = asyncio.Event()
        self.ended = False
        self._when_cut = when_cut

    async def __call__(self) -> object:
        self.started.set()
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            if self._when_cut is None:
                raise
            return self._when_cut()
        finally:
            self.ended = True


def raise_(error: BaseException) -> Callable[[], object]:
    def raising() -> object:
        raise error

    return raising


async def cut(handler: Handler, **options: Any) -> asyncio.Task[Outcome]:
    """Start the handler, cancel its caller from outside, and return the caller when it ended."""
    caller = asyncio.create_task(run(handler, **options))
    await handler.started.wait()
    caller.cancel()
    await asyncio.wait({caller})
    return caller


async def test_a_handler_past_its_limit_is_cancelled() -> None:
    handler = Handler()

    assert await run(handler, timeout_s=SHORT_S) == TimedOut(after_s=SHORT_S)
    assert handler.ended


async def test_a_handler_within_its_limit_is_not_disturbed() -> None:
    async def body() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await run(body, timeout_s=LONG_S) == Succeeded(result='"done"')


async def test_a_timeout_of_the_handlers_own_is_a_failure() -> None:
    async def body() -> None:
        async with asyncio.timeout(SHORT_S):
            await asyncio.get_running_loop().create_future()

    outcome = await run(body, timeout_s=LONG_S)

    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("TimeoutError")


async def test_whatever_a_handler_raises_when_its_limit_cuts_it_the_limit_is_the_reason() -> None:
    handler = Handler(when_cut=raise_(ValueError("half done")))

    assert await run(handler, timeout_s=SHORT_S) == TimedOut(after_s=SHORT_S)


async def test_a_handler_that_finishes_after_all_has_its_result() -> None:
    handler = Handler(when_cut=lambda: "done")

    assert await run(handler, timeout_s=SHORT_S) == Succeeded(result='"done"')


async def test_a_cancelled_caller_cancels_the_handler_and_waits_for_its_end() -> None:
    handler = Handler()

    caller = await cut(handler, timeout_s=LONG_S)

    assert caller.cancelled()
    assert handler.ended


async def test_whatever_a_handler_raises_when_it_is_cut_is_not_its_failure() -> None:
    caller = await cut(Handler(when_cut=raise_(ValueError("half done"))))

    assert caller.cancelled()


async def test_a_handler_that_decides_when_it_is_cut_has_its_way() -> None:
    retried = await cut(Handler(when_cut=raise_(Retry(1, "half done"))))
    finished = await cut(Handler(when_cut=lambda: "done"))

    assert retried.result() == Failed(error="half done", retry_in_s=1)
    assert finished.result() == Succeeded(result='"done"')


async def test_a_handler_that_cancels_itself_fails_and_its_caller_goes_on() -> None:
    async def body() -> None:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        await asyncio.sleep(0)

    caller = asyncio.current_task()
    assert caller is not None

    outcome = await run(body)

    assert isinstance(outcome, Failed)
    assert outcome.error == "CancelledError" or outcome.error.endswith(".CancelledError")
    assert caller.cancelling() == 0


async def test_an_earlier_cancellation_of_the_caller_is_not_mistaken_for_a_new_one() -> None:
    async def body() -> None:
        raise ValueError("mine")

    async def stubborn() -> Outcome:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return await run(body, timeout_s=LONG_S)
        raise AssertionError

    caller = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    caller.cancel()

    assert (await caller).error == "ValueError: mine"  # type: ignore[union-attr]


async def test_handlers_run_beside_each_other() -> None:
    meeting = asyncio.Barrier(3)

    async def body() -> int:
        async with meeting:
            return meeting.n_waiting

    outcomes = await asyncio.gather(*(run(body, timeout_s=LONG_S) for _ in range(3)))

    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
async def test_a_crash_while_being_cut_is_a_crash(error: BaseException) -> None:
    caller = await cut(Handler(when_cut=raise_(error)))

    assert type(caller.exception()).__name__ == "ConsumerCrash"

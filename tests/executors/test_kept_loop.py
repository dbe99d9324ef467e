"""The loop of a worker process ends in order, whatever its handlers have left on it."""

import asyncio

from structlog.testing import capture_logs

from taskqueue.executors.process.kept_loop import KeptLoop


def test_what_leaves_the_loop_while_it_is_wound_up_keeps_it_from_nothing() -> None:
    ended: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def leftover() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().call_soon(interrupt)
            await asyncio.sleep(0.01)
            ended.append("cancelled")

    async def handler() -> str:
        tasks.append(asyncio.create_task(leftover()))
        await asyncio.sleep(0)
        return "done"

    with capture_logs() as logged, KeptLoop() as loop:
        assert loop.run(handler()) == "done"

    assert ended == ["cancelled"]
    assert [each["event"] for each in logged] == ["loop_left"]

"""The trace of a task reaches its handler and its follow-ups, on every executor."""

import msgspec
import pytest
from msgspec.structs import replace

from taskqueue.api.loading import load_app
from taskqueue.testing.engine import Engine
from tests.executors.tracing_app import KINDS

APP = load_app("tests.executors.tracing_app:app")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("trace", [TRACE, None])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_trace_goes_on_to_the_handler_and_to_its_follow_ups(
    kind: str, trace: str | None
) -> None:
    async with Engine(APP) as engine:
        task = replace(APP.prepare(kind), traceparent=trace)
        await APP.enqueue(task)
        await engine.drain()
        told = (await engine.task(task.id)).result
        others = [each for each in await engine.tasks() if each.id != task.id]

    assert told is not None
    assert msgspec.json.decode(told) == [trace, trace]
    assert len(others) == (2 if kind == "loop" else 1)
    for other in others:
        assert (other.traceparent, other.result) == (
            trace,
            msgspec.json.encode(trace).decode(),
        )

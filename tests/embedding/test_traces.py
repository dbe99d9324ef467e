"""Spans of a whole service: a trace crosses POST, handler and follow-up."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from taskqueue import App, AsyncClient, Context, Retries, Retry, Service, Snooze, Task
from taskqueue.opentelemetry import trace_tasks

TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
TRACEPARENT = f"00-{TRACE_ID:032x}-{SPAN_ID:016x}-01"


class Spans:
    """The spans that have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def named(self, name: str) -> list[ReadableSpan]:
        ended = self.exporter.get_finished_spans()
        return sorted((s for s in ended if s.name == name), key=lambda s: s.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        [span] = self.named(name)
        return span


def id_of(span: ReadableSpan) -> int:
    return span.context.span_id


def trace_of(span: ReadableSpan) -> int:
    return span.context.trace_id


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


@pytest.fixture
def spans() -> Iterator[Spans]:
    made = Spans()
    yield made
    made.provider.shutdown()


@pytest.fixture
async def service(spans: Spans, tmp_path: Path) -> AsyncIterator[Service]:
    app = App()
    trace_tasks(app, spans.provider)

    @app.task("confirm", queue="mail")
    def confirm(ctx: Context) -> str | None:
        return ctx.traceparent

    @app.task("charge")
    async def charge(ctx: Context) -> str:
        return ctx.enqueue(confirm)

    @app.task("fail", max_attempts=3, retries=Retries(initial_s=0.01, jitter=0))
    def fail(ctx: Context) -> str:
        if ctx.attempt == 1:
            raise ValueError("no")
        if ctx.attempt == 2:
            raise Retry(0.01, reason="again")
        return "at last"

    @app.task("snooze")
    async def snooze(ctx: Context) -> None:
        if ctx.task.deliveries == 1:
            raise Snooze(0.01)

    async with Service(app, database=tmp_path / "tasks.db", port=0) as service:
        yield service


async def post(service: Service, action: str, **headers: str) -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{service.url}/tasks", json={"action": action}, headers=headers) as answer,
    ):
        assert answer.status == 202
        task_id: str = (await answer.json())["id"]
        return task_id


def result_of(task: Task) -> str:
    assert task.result is not None
    return msgspec.json.decode(task.result, type=str)


async def shown(service: Service, task_id: str) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{service.url}/tasks/{task_id}") as answer,
    ):
        task: dict[str, Any] = await answer.json()
        return task


async def test_a_trace_crosses_post_handler_and_follow_up(service: Service, spans: Spans) -> None:
    task_id = await post(service, "charge", traceparent=TRACEPARENT)
    follow_up = result_of(await service.wait(task_id))
    told = result_of(await service.wait(follow_up))

    names = ("send default", "process default", "send mail", "process mail")
    chain = [spans.one(name) for name in names]
    assert {trace_of(span) for span in chain} == {TRACE_ID}
    assert [parent_of(span) for span in chain] == [SPAN_ID, *map(id_of, chain[:3])]
    assert [span.kind for span in chain] == [SpanKind.PRODUCER, SpanKind.CONSUMER] * 2
    sent, processed = chain[0], chain[3]
    stored = (await shown(service, task_id))["traceparent"]
    assert stored.startswith(f"00-{TRACE_ID:032x}-{id_of(sent):016x}-")
    assert told.startswith(f"00-{TRACE_ID:032x}-{id_of(processed):016x}-")
    assert dict(processed.attributes or {}) == {
        "messaging.system": "taskqueue",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mail",
        "messaging.message.id": follow_up,
        "taskqueue.action": "confirm",
        "taskqueue.attempt": 1,
    }


async def test_each_retry_is_the_root_of_a_trace_with_a_link(
    service: Service, spans: Spans
) -> None:
    await service.wait(await post(service, "fail", traceparent=TRACEPARENT))

    sent = spans.one("send default")
    first, *retries = spans.named("process default")
    assert (parent_of(first), trace_of(first)) == (id_of(sent), TRACE_ID)
    assert len(retries) == 2
    for retry in retries:
        assert parent_of(retry) is None
        assert trace_of(retry) != TRACE_ID
        [link] = retry.links
        assert (link.context.trace_id, link.context.span_id) == (TRACE_ID, id_of(sent))
    attempts = [(span.attributes or {}).get("taskqueue.attempt") for span in (first, *retries)]
    assert attempts == [1, 2, 3]
    assert [span.status.status_code for span in (first, *retries)] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    assert (first.attributes or {})["error.type"] == "ValueError"


async def test_a_snooze_is_no_error(service: Service, spans: Spans) -> None:
    await service.wait(await post(service, "snooze"))

    statuses = [span.status.status_code for span in spans.named("process default")]
    assert statuses == [StatusCode.UNSET] * 2


async def test_a_request_without_a_valid_trace_begins_one(service: Service, spans: Spans) -> None:
    for headers in ({}, {"traceparent": "nonsense"}):
        await service.wait(await post(service, "snooze", **headers))

    roots = spans.named("send default")
    assert [parent_of(span) for span in roots] == [None, None]
    assert len({trace_of(span) for span in roots}) == 2


async def test_a_client_sends_the_trace_of_its_program(service: Service, spans: Spans) -> None:
    with spans.provider.get_tracer("shop").start_as_current_span("POST /orders") as request:
        async with AsyncClient(service.url) as client:
            task = await client.enqueue("snooze")
            await task.wait(timeout_s=20)

    context = request.get_span_context()
    sent = spans.one("send default")
    assert (trace_of(sent), parent_of(sent)) == (context.trace_id, context.span_id)

"""One trace from a request over two tasks, with OpenTelemetry.

pip install 'taskqueue-otp[opentelemetry]'
python -m examples.traced_orders

A real program exports its spans (`opentelemetry-exporter-otlp`); here they are kept and printed.
"""

import asyncio
import json
import tempfile
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from taskqueue import App, Context, Service
from taskqueue.opentelemetry import trace_tasks

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))

app = App()
trace_tasks(app, provider)


@app.task("confirm", queue="mail")
def confirm(ctx: Context, order: int) -> str:
    """Pretend to send a mail."""
    return f"confirmed {order}"


@app.task("charge")
async def charge(ctx: Context, order: int) -> str:
    """Charge an order, and have it confirmed."""
    return ctx.enqueue(confirm, order=order)


async def main(folder: Path) -> None:
    """Enqueue a task as part of a request, and print the spans of its trace."""
    async with Service(app, database=folder / "tasks.db", port=0) as service:
        with provider.get_tracer("shop").start_as_current_span("POST /orders"):
            task_id = await charge.enqueue(order=17)
        charged = await service.wait(task_id)
        await service.wait(json.loads(charged.result or ""))
    for span in sorted(spans.get_finished_spans(), key=lambda span: span.start_time or 0):
        print(span.name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(Path(temporary)))

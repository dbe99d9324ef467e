"""An app whose processes append their spans to a file in the working folder."""

from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from taskqueue import App, Context
from taskqueue.opentelemetry import trace_tasks

_provider = TracerProvider()
_exporter = ConsoleSpanExporter(
    out=Path("spans.jsonl").open("a"),  # noqa: SIM115 - for as long as the process lives
    formatter=lambda span: span.to_json(indent=None) + "\n",
)
_provider.add_span_processor(SimpleSpanProcessor(_exporter))

app = App()
trace_tasks(app, _provider)


@app.task("confirm", queue="mail")
def confirm() -> None: ...


@app.task("charge", executor="process")
def charge(ctx: Context) -> str:
    return ctx.enqueue(confirm)

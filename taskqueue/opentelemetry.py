"""Spans of tasks for OpenTelemetry; needs `pip install 'taskqueue-otp[opentelemetry]'`.

    from taskqueue.opentelemetry import trace_tasks

    app = App()
    trace_tasks(app)

    POST /tasks ─▶ send default ─▶ process default ─▶ send mail ─▶ process mail     one trace
                                   process default                                 a retry: a root,
                                                                                   with a link

Names and attributes are those of OpenTelemetry's conventions for messaging.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, TracerProvider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    from opentelemetry.util.types import AttributeValue
except ModuleNotFoundError as error:
    needs = (
        "taskqueue.opentelemetry needs OpenTelemetry: pip install 'taskqueue-otp[opentelemetry]'"
    )
    raise ImportError(needs) from error

from taskqueue.api.app import App
from taskqueue.api.outcomes import Cancel, Snooze
from taskqueue.foreign import rendering
from taskqueue.rules.tasks import NewTask, Task
from taskqueue.traces import current_traceparent

_propagator = TraceContextTextMapPropagator()


def trace_tasks(app: App, provider: TracerProvider | None = None) -> None:
    """Have each enqueue and each attempt of this app make a span.

    The first attempt at a task is a child of the span that enqueued it. Each later one is the root
    of a new trace, with a link to that span. An exception of the handler is recorded, and makes the
    status of the span an error, except for `Snooze` and `Cancel`.

    Args:
        app: that which the service runs. Call this in its module, which worker processes import.
        provider: makes the tracer; None: the global one.
    """
    app.tracing = _Spans(trace.get_tracer("taskqueue", tracer_provider=provider))


class _Spans:
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def sending(self, tasks: Sequence[NewTask], parent: str | None) -> Iterator[str | None]:
        queues = {task.queue for task in tasks}
        attributes = _attributes("send", queues.pop() if len(queues) == 1 else None)
        if len(tasks) == 1:
            attributes |= {"messaging.message.id": tasks[0].id, "taskqueue.action": tasks[0].action}
        else:
            attributes["messaging.batch.message_count"] = len(tasks)
        with self._tracer.start_as_current_span(
            _name("send", attributes),
            context=_context_of(parent),
            kind=SpanKind.PRODUCER,
            attributes=attributes,
        ):
            yield current_traceparent()

    @contextmanager
    def attempting(self, task: Task) -> Iterator[str | None]:
        attributes = _attributes("process", task.queue) | {
            "messaging.message.id": task.id,
            "taskqueue.action": task.action,
            "taskqueue.attempt": task.attempt,
        }
        sender = _context_of(task.traceparent)
        is_first = task.started_at is None
        with self._tracer.start_as_current_span(
            _name("process", attributes),
            context=sender if is_first else Context(),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=() if is_first else _links_to(sender),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield current_traceparent()
            except BaseException as error:
                _note(error, span)
                raise


def _attributes(operation: str, queue: str | None) -> dict[str, AttributeValue]:
    destination = {} if queue is None else {"messaging.destination.name": queue}
    return {
        "messaging.system": "taskqueue",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        **destination,
    }


def _name(operation: str, attributes: Mapping[str, AttributeValue]) -> str:
    return f"{operation} {attributes.get('messaging.destination.name', '')}".rstrip()


def _context_of(traceparent: str | None) -> Context:
    carrier = {} if traceparent is None else {"traceparent": traceparent}
    return _propagator.extract(carrier, Context())


def _links_to(sender: Context) -> Sequence[Link]:
    span = trace.get_current_span(sender).get_span_context()
    return (Link(span),) if span.is_valid else ()


def _note(error: BaseException, span: Span) -> None:
    if issubclass(type(error), Snooze | Cancel):
        return
    line = rendering.error_line(error)
    kind = rendering.type_name(error)
    span.set_attribute("error.type", kind)
    span.add_event("exception", {"exception.type": kind, "exception.message": line})
    span.set_status(StatusCode.ERROR, line)

"""What `taskqueue top` shows: read with three calls, laid out as lines."""

from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from taskqueue.cli import output, queues, running
from taskqueue.client import calls, live_calls
from taskqueue.client.attempt_views import RunningTask
from taskqueue.client.call import Call
from taskqueue.client.routes import Route
from taskqueue.client.views import QueueInfo
from taskqueue.structs import Struct

_QUEUES = 8  # shown at most, where there is no room for all
_RESTARTED = 5
_CONSUMERS = "root/consumers/"


class Part(Struct):
    """An actor in the supervision tree."""

    path: str
    status: str
    incarnation: int
    last_exit: str | None
    last_exit_at: float | None
    children: "Sequence[Part]" = ()


class View(Struct):
    """The service at one moment."""

    queues: Sequence[QueueInfo]
    running: Sequence[RunningTask]
    tree: Part


def read_view(route: Route) -> View:
    """Ask the service how it is.

    Raises:
        TaskQueueError: what a client raises.
    """
    return View(
        queues=route.do(calls.queues()),
        running=route.do(live_calls.running()),
        tree=route.do(Call(method="GET", path="/supervision", read=_tree)),
    )


def _tree(body: bytes) -> Part:
    found: dict[str, Any] = msgspec.json.decode(body)
    return msgspec.convert(found.get("root", found), Part)


def lines(view: View, url: str, *, now: float, rows: int | None) -> list[str]:
    """Return the view as lines, `rows` of them at most; None: as many as it takes."""
    parts = list(_parts(view.tree))
    head = [_title(view, parts, url), ""]
    head += _section(_queue_table(view), None if rows is None else _QUEUES)
    tail = _section(_restart_table(parts, now), None if rows is None else _RESTARTED)
    room = None if rows is None else max(1, rows - len(head) - len(tail) - 3)
    return [*head, "", *_section(_running_table(view), room), "", *tail]


def _parts(part: Part) -> Iterator[Part]:
    yield part
    for child in part.children:
        yield from _parts(child)


def _title(view: View, parts: Sequence[Part], url: str) -> str:
    consumers = [each for each in parts if each.path.startswith(_CONSUMERS)]
    waiting = sum(sum(queue.tasks.values()) for queue in view.queues) - len(view.running)
    figures = (
        _number(len(consumers), "consumer"),
        f"{len(view.running)} running",
        f"{max(0, waiting)} waiting",
        _number(sum(part.incarnation - 1 for part in parts), "restart"),
    )
    text = f"taskqueue  {url}  {', '.join(figures)}"
    columns = output.width()
    return text if columns is None else output.cut(text, columns)


def _queue_table(view: View) -> list[str]:
    rows = [queues.row_of(queue) for queue in view.queues]
    return output.table(queues.COLUMNS, rows, flexible=("queue",))


def _running_table(view: View) -> list[str]:
    rows = [running.row_of(task) for task in view.running]
    return output.table(running.COLUMNS, rows, flexible=running.FLEXIBLE)


def _restart_table(parts: Sequence[Part], now: float) -> list[str]:
    """List the parts that were restarted, the latest first."""
    restarted = sorted(
        (part for part in parts if part.incarnation > 1),
        key=lambda part: part.last_exit_at or 0.0,
        reverse=True,
    )
    rows = [
        (
            part.path,
            part.status,
            str(part.incarnation - 1),
            "-" if part.last_exit_at is None else output.age(now - part.last_exit_at),
            part.last_exit or "-",
        )
        for part in restarted
    ]
    return output.table(
        ("part", "state", "restarts", "last", "exit"), rows, flexible=("part", "exit")
    )


def _section(table: list[str], rows: int | None) -> list[str]:
    """Return a table with so many rows at most, below its header."""
    header, *body = table
    if not body:
        return [header, "-"]
    if rows is None or len(body) <= rows:
        return table
    return [header, *body[: rows - 1], _dim(f"… and {len(body) - rows + 1} more")]


def _dim(text: str) -> str:
    return click.style(text, dim=True) if output.has_colour() else text


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"

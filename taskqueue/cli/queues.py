"""`taskqueue queues`: list, pause and resume queues, show their consumers and flows."""

import click

from taskqueue.cli import output, pool_sizes
from taskqueue.cli.connection import Connection, ServiceCommand
from taskqueue.client.views import FlowInfo, QueueInfo
from taskqueue.rules.tasks import Status

_DEPTHS = (Status.QUEUED, Status.SCHEDULED, Status.RUNNING, Status.RETRYING)
_FLOW_COLUMNS = ("flow", "priority", "waiting", "turns away")
COLUMNS = ("queue", "state", "consumers", *_DEPTHS, "oldest", "/min")  # 80 columns


def command() -> click.Command:
    """Return the command."""
    names = click.Argument(["queues"], nargs=-1, required=True, metavar="QUEUE...")
    return click.Group(
        "queues",
        help="List, pause and resume queues; their consumers and flows.",
        commands=[
            ServiceCommand(
                "list",
                _list,
                help="List the queues: how many tasks of each have not ended, how long the oldest "
                "runnable one has been waiting, completed attempts per minute (of the last 5), and "
                "the limits that hold tasks of it back. `ages 60s`: after each 60 s a task counts "
                "as one of the next higher priority.",
            ),
            ServiceCommand(
                "pause",
                _pause,
                params=[names],
                help="Stop handing out tasks of these queues, also after a restart of the service.",
            ),
            pool_sizes.command(),
            ServiceCommand(
                "flows",
                _flows,
                params=[click.Argument(["queue"], metavar="QUEUE")],
                help="List the flows of a queue whose tasks take turns, those first that are next: "
                "how many tasks wait (up to 1,000), and how many turns away the next one is.",
            ),
            ServiceCommand(
                "resume", _resume, params=[names], help="Hand out tasks of these queues again."
            ),
        ],
    )


def _list(connection: Connection, *, as_json: bool) -> None:
    with connection.client() as client:
        queues = client.queues()
    if as_json:
        return output.print_json(queues)
    output.print_table(COLUMNS, [row_of(queue) for queue in queues], flexible=("queue",))
    for queue in queues:
        for limit in queue.limits:
            held = f"{limit.waiting} wait for limit {limit.name} ({limit.running} running)"
            click.echo(output.plain(f"{queue.queue}: {held}"))
    return None


def row_of(queue: QueueInfo) -> tuple[str, ...]:
    """Return the cells of a queue, as many as COLUMNS."""
    oldest_s = queue.oldest_runnable_s
    rates = [f"{each.completed_per_min:.1f}" for each in queue.recent if each.minutes == 5]
    return (
        queue.queue,
        _state(queue),
        str(queue.consumers),
        *(str(queue.tasks.get(status, 0)) for status in _DEPTHS),
        "-" if oldest_s is None else output.age(oldest_s),
        *(rates or ["-"]),
    )


def _state(queue: QueueInfo) -> str:
    state = "paused" if queue.paused else "active"
    return state if queue.ageing_s is None else f"{state}, ages {queue.ageing_s:g}s"


def _flows(connection: Connection, *, as_json: bool, queue: str) -> None:
    with connection.client() as client:
        flows = sorted(
            client.queue(queue).flows(), key=lambda flow: (flow.priority, flow.next_turn)
        )
    if as_json:
        return output.print_json(flows)
    return output.print_table(
        _FLOW_COLUMNS, [_flow_row(each) for each in flows], flexible=("flow",)
    )


def _flow_row(flow: FlowInfo) -> tuple[str, ...]:
    """Return the cells of a flow; tasks without a field of their own have the flow ''."""
    waiting = f"{flow.waiting:,} or more" if flow.waiting >= 1_000 else str(flow.waiting)
    turns = max(0.0, flow.next_turn - flow.served_turn)
    return (flow.flow or '""', str(flow.priority), waiting, f"{turns:g}")


def _pause(connection: Connection, *, as_json: bool, queues: tuple[str, ...]) -> None:
    _set(connection, queues, paused=True, as_json=as_json)


def _resume(connection: Connection, *, as_json: bool, queues: tuple[str, ...]) -> None:
    _set(connection, queues, paused=False, as_json=as_json)


def _set(connection: Connection, queues: tuple[str, ...], *, paused: bool, as_json: bool) -> None:
    with connection.client() as client:
        for queue in queues:
            (client.pause if paused else client.resume)(queue)
            if not as_json:
                click.echo(f"{'paused' if paused else 'resumed'} {queue}")
    if as_json:
        output.print_json([{"queue": queue, "paused": paused} for queue in queues])

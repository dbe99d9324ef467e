"""The samples of one scrape: what was read, by the labels of each metric. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from typing import NamedTuple, TypeAlias

from taskqueue.http.metrics import names
from taskqueue.http.metrics.names import Metric
from taskqueue.http.metrics.readings import Reading
from taskqueue.http.metrics.schedules import schedule_samples
from taskqueue.release import version
from taskqueue.rules.holds import Reason
from taskqueue.rules.limits import LimitUsage, rate_used
from taskqueue.rules.measures import OTHER, Histogram, Measures
from taskqueue.rules.nodes import NodeState, ServiceNode
from taskqueue.rules.tasks import ENDED, Acceptance, Status
from taskqueue.supervision import Node

EVENTS = ("enqueued", "completed", "failed", "dead", "cancelled", "expired")

Value: TypeAlias = float | Histogram

_OPEN = tuple(status for status in Status if status not in ENDED)


class Sample(NamedTuple):
    """A value of a metric under these values of its labels."""

    metric: Metric
    labels: tuple[str, ...]
    value: Value


def samples(
    reading: Reading, *, has_storage: bool, streams: int
) -> Mapping[Metric, Sequence[Sample]]:
    """Return the samples of every metric; none of what is not known now.

    Args:
        reading: what was read.
        has_storage: whether tasks can be written now.
        streams: how many event streams are open.
    """
    found: dict[Metric, list[Sample]] = {metric: [] for metric in names.METRICS}
    for sample in (
        Sample(names.INFO, (version(),), 1),
        Sample(names.STORAGE_UP, (), int(has_storage)),
        Sample(names.EVENT_STREAMS, (), streams),
        *_counted(reading.measures),
        *_of_queues(reading),
        *_of_limits(reading.limits or (), now=reading.at),
        *_of_what_is_held_back(reading),
        *_of_actors(reading.tree),
        *_of_nodes(reading.nodes or (), now=reading.at),
        *starmap(Sample, schedule_samples(reading.schedules or (), now=reading.at)),
    ):
        found[sample.metric].append(sample)
    return found


def _counted(measures: Measures) -> Iterator[Sample]:
    yield Sample(names.LEASE_LOSSES, (), measures.tasks.lease_losses)
    yield Sample(names.GROUPS_ENDED, (), measures.groups.ended)
    yield Sample(names.COMMIT_SECONDS, (), measures.commits.seconds)
    yield Sample(names.COMMIT_ROWS, (), measures.commits.rows)
    yield Sample(names.LOOP_LAG, (), measures.loops.lag)
    yield Sample(names.BLOCKED, (), len(measures.loops.blocked))
    yield Sample(names.HOOKS_FAILED, (), measures.hooks.failed)
    yield Sample(names.HOOKS_DROPPED, (), measures.hooks.dropped)
    for key, counted in measures.tasks.actions.items():
        yield Sample(names.TASK_RUN, key, counted.ran)
        for event in EVENTS:
            yield Sample(names.TASKS, (*key, event), getattr(counted, event))


def _of_queues(reading: Reading) -> Iterator[Sample]:
    queues = reading.measures.tasks.queues
    for queue, counted in queues.items():
        yield Sample(names.TASK_WAIT, (queue,), counted.waited)
        for answer in Acceptance:
            yield Sample(names.ENQUEUES, (queue, str(answer)), counted.answered(answer))
        if counted.claimed_at is not None:
            yield Sample(names.LAST_CLAIM, (queue,), max(0.0, reading.now - counted.claimed_at))
    for state in reading.queues or ():
        yield Sample(names.PAUSED, (state.name,), int(state.paused_at is not None))
        yield Sample(names.CONSUMERS, (state.name,), state.consumers)
    for queue, age_s in _bounded(reading.oldest_s, queues).items():
        yield Sample(names.OLDEST, (queue,), age_s)
    if reading.depths is not None:
        yield from _depths(reading.depths, queues)


def _of_limits(limits: Sequence[LimitUsage], *, now: float) -> Iterator[Sample]:
    for limit in limits:
        yield Sample(names.LIMIT_RUNNING, (limit.name,), limit.running)
        yield Sample(names.LIMIT_WAITING, (limit.name,), limit.waiting)
        if limit.values.running is not None:
            yield Sample(names.LIMIT_MAX, (limit.name,), limit.values.running)
        if limit.values.starts is not None:
            used = rate_used(limit.values, limit.debt_at, now=now)
            yield Sample(names.LIMIT_RATE_USED, (limit.name,), used)


def _of_what_is_held_back(reading: Reading) -> Iterator[Sample]:
    """Yield a sample for each queue and reason that is known now, those that hold none too."""
    queues = reading.measures.tasks.queues
    known = [*(reading.held_back or ())]
    known += [each for limit in reading.limits or () for each in limit.held_back]
    reasons = [
        *((Reason.SLOT, Reason.RATE) if reading.limits is not None else ()),
        *((Reason.PAUSED, Reason.NO_CONSUMER) if reading.held_back is not None else ()),
    ]
    tasks = Counter({(queue, reason): 0 for queue in queues for reason in reasons})
    for each in known:
        tasks[each.queue if each.queue in queues else OTHER, each.reason] += each.tasks
    for (queue, reason), count in tasks.items():
        yield Sample(names.HELD_BACK, (queue, str(reason)), count)


def _bounded(ages: Mapping[str, float] | None, queues: Mapping[str, object]) -> Mapping[str, float]:
    """Return the ages of these queues, and the greatest of all others."""
    bounded: dict[str, float] = {}
    for queue, age_s in (ages or {}).items():
        name = queue if queue in queues else OTHER
        bounded[name] = max(bounded.get(name, 0.0), age_s)
    return bounded


def _depths(
    depths: Mapping[str, Mapping[Status, int]], queues: Mapping[str, object]
) -> Iterator[Sample]:
    others = [tasks for queue, tasks in depths.items() if queue not in queues]
    for queue in queues:
        for status in _OPEN:
            yield _depth(queue, status, depths.get(queue, {}).get(status, 0))
    for status in _OPEN if others and OTHER not in queues else ():
        yield _depth(OTHER, status, sum(tasks.get(status, 0) for tasks in others))


def _depth(queue: str, status: Status, tasks: int) -> Sample:
    return Sample(names.DEPTH, (queue, str(status)), tasks)


def _of_nodes(nodes: Sequence[ServiceNode], *, now: float) -> Iterator[Sample]:
    if nodes:
        states = Counter(node.state(now) for node in nodes)
        for state in NodeState:
            yield Sample(names.NODES, (str(state),), states[state])
        yield Sample(names.HEARTBEAT_AGE, (), max(node.age_s(now) for node in nodes))


def _of_actors(node: Node | None) -> Iterator[Sample]:
    if node is None:
        return
    yield Sample(names.RESTARTS, (node.path,), max(0, node.incarnation - 1))
    if node.process is not None:
        yield Sample(names.MAILBOX, (node.path,), node.process.mailbox)
    for child in node.children:
        yield from _of_actors(child)

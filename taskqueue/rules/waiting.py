"""Why is it not running? One sentence for every task that waits. Pure.

The sentence names what holds the task back: its time, its queue, the consumers, a limit, or its
place in line. API, command line and page show the same one.
"""

from datetime import UTC, datetime

from taskqueue.rules.expiry import may_expire
from taskqueue.rules.health import QueueState
from taskqueue.rules.limits import GateFacts
from taskqueue.rules.tasks import Status, Task
from taskqueue.structs import Struct

MOST_AHEAD = 1_000
"""How many tasks ahead of one are counted; more are said to be more."""


class Line(Struct):
    """What a waiting task's place in line depends on.

    Attributes:
        queue: its queue; None if the service does not serve it.
        ahead: how many due tasks of the queue are not claimed, and come before it, up to
            `MOST_AHEAD`.
        gate: which limit holds it back; None if none does.
        takes_turns: whether it takes turns with others: what comes later may go before it.
        is_claimed: whether it is claimed already, and waits in a buffer.
        is_restarting: whether the queue is being restarted, so that nothing else is known of it.
    """

    queue: QueueState | None
    ahead: int
    gate: GateFacts | None = None
    takes_turns: bool = False
    is_claimed: bool = False
    is_restarting: bool = False


def is_waiting(task: Task) -> bool:
    """Return whether the task has neither ended nor started."""
    return task.processed_at is None and task.status is not Status.RUNNING


def waiting_for(task: Task, line: Line, *, now: float) -> str | None:
    """Return why a task does not run at the instant `now`, as a sentence without a full stop.

    None for a task that runs or has ended. The first reason that holds is given: a paused queue is
    no news about a task that is due in an hour.
    """
    if not is_waiting(task):
        return None
    why = _why(task, line, now=now)
    if task.expires_at is None or not may_expire(task, attempt=1):
        return why
    if task.expires_at <= now:
        return "expired; it is about to be cancelled"
    return f"{why}; expires in {duration(task.expires_at - now)}"


def _why(task: Task, line: Line, *, now: float) -> str:
    if line.is_claimed:
        return "claimed; waits for a free slot"
    if task.run_at > now:
        what = "next attempt is due" if task.status is Status.RETRYING else "due"
        return f"{what} in {duration(task.run_at - now)}"
    if line.is_restarting:
        return "the queue is restarting"
    if line.queue is None:
        return f"no consumer serves queue {task.queue!r}"
    if line.queue.paused_at is not None:
        return f"queue {task.queue!r} is paused since {_instant(line.queue.paused_at)}"
    if line.queue.is_draining:
        return "this node drains: it claims nothing until it is resumed"
    if not line.queue.consumers:
        return f"no consumer serves queue {task.queue!r} now"
    if line.gate is not None:
        return _held_back(line.gate, takes_turns=line.takes_turns, now=now)
    return _place(line, line.queue)


def _held_back(gate: GateFacts, *, takes_turns: bool, now: float) -> str:
    name = f"`{gate.use.shown}`"
    most = gate.values.running
    place = _in_line(gate, is_exact=not (takes_turns or gate.is_shared))
    if most is not None and gate.count >= most:
        ids = ", ".join(gate.running) + (", …" if gate.count > len(gate.running) else "")
        return f"waits for a slot of {name} ({gate.count} of {most} running: {ids}); {place}"
    if gate.opens_at is not None:
        rate = f"{gate.values.starts:g} per {gate.values.per_s:g} s"
        opens = f"allows the next start in {duration(gate.opens_at - now)}"
        return f"waits for its rate: {name} {opens} ({rate}); {place}"
    return f"waits for {name}; {place}"


def _in_line(gate: GateFacts, *, is_exact: bool) -> str:
    if gate.ahead >= MOST_AHEAD:
        return f"{MOST_AHEAD:,} tasks or more are ahead of it"
    return _nth(gate.ahead + 1, is_exact=is_exact)


def _place(line: Line, queue: QueueState) -> str:
    ahead = line.ahead + queue.buffered
    if ahead >= MOST_AHEAD:
        return f"waits for a free slot; {MOST_AHEAD:,} tasks or more are ahead of it in its queue"
    is_exact = not _may_change(line, queue)
    if ahead or not is_exact:
        return f"waits for a free slot; {_nth(ahead + 1, is_exact=is_exact)}"
    consumers = "consumer" if queue.consumers == 1 else "consumers"
    return f"next in line; waits for a free slot of {queue.consumers} {consumers}"


def _may_change(line: Line, queue: QueueState) -> bool:
    """Whether another may go first; what is buffered is counted at another moment than the rest."""
    ages = queue.ageing_s is not None
    return bool(line.takes_turns or ages or queue.is_limited or queue.buffered)


def _nth(number: int, *, is_exact: bool) -> str:
    if number == 1:
        return "next in line" if is_exact else "among the next in line"
    return f"{'' if is_exact else 'about '}{_ordinal(number)} in line"


def duration(seconds: float) -> str:
    """Return a duration in at most two units.

    >>> [duration(s) for s in (0.2, 14.6, 60, 3725, 90_000, 8_640_000)]
    ['1 s', '15 s', '1 min', '1 h 2 min', '1 d 1 h', '100 d']
    """
    left = max(1, round(seconds))
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {name}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))


def _ordinal(number: int) -> str:
    """Return a number as an ordinal.

    >>> [_ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 101, 111)]
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '101st', '111th']
    """
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

"""Why is a task not running? Asks for what the sentence depends on."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping

from taskqueue.actors.storage_client import StorageClient
from taskqueue.commands import ExplainWaiting
from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.rules.health import QueueState
from taskqueue.rules.waiting import MOST_AHEAD, Line, is_waiting, waiting_for
from taskqueue.storage.protocol import Storage


async def why_waiting(
    message: ExplainWaiting,
    queues: Callable[[], Awaitable[tuple[QueueState, ...]]],
    storage: StorageClient,
    *,
    now: float,
) -> str | None:
    """Return why a task does not run, as a sentence; None if it runs or has ended."""
    task = message.task
    if not is_waiting(task):
        return None
    states: Mapping[str, QueueState] | None = None
    with contextlib.suppress(ActorUnavailable, AskTimeout):
        states = {queue.name: queue for queue in await queues()}
    gate = None
    if task.limits is not None:
        gate = await storage.use(Storage.gate_of, task.id, now=now)
    line = Line(
        queue=(states or {}).get(task.queue),
        ahead=0 if gate else await storage.use(Storage.ahead, task, limit=MOST_AHEAD, now=now),
        gate=gate,
        takes_turns=message.flow is not None,
        is_claimed=message.is_held,
        is_restarting=states is None,
    )
    return waiting_for(task, line, now=now)

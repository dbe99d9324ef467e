"""Unique keys: what was asked for under one, and who came second.

Whoever enqueues under a key gets one task, however often the same is asked for. The fingerprint of
a request tells the same from something else.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from taskqueue.errors import KeyConflict
from taskqueue.options import Options
from taskqueue.tasks import Acceptance, Accepted, NewTask


def fingerprint(action: str, payload: str, asked: Options) -> str:
    """Return what two requests have in common if and only if they ask for the same.

    A delay counts as it was asked for, in seconds: the same request later is still the same.
    """
    request = (
        action,
        payload,
        asked.queue,
        asked.priority,
        asked.max_attempts,
        asked.delay_s,
        asked.run_at,
    )
    return hashlib.sha256(msgspec.json.encode(request)).hexdigest()


def refuse_conflicts(tasks: Sequence[NewTask], answers: Sequence[Accepted]) -> None:
    """Raise if the key of one of these tasks belongs to another.

    Raises:
        KeyConflict: with all such keys, and whose they are.
    """
    conflicts = {
        str(task.unique_key): answer.id
        for task, answer in zip(tasks, answers, strict=True)
        if answer.acceptance is Acceptance.CONFLICT
    }
    if conflicts:
        raise KeyConflict(conflicts)

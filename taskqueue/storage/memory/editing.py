"""Edits of a task in memory."""

from msgspec.structs import replace

from taskqueue.rules import edits, turns
from taskqueue.rules.edits import Change, EditAnswer, EditResult
from taskqueue.rules.tasks import ENDED, Edit
from taskqueue.storage.memory.rows import Row
from taskqueue.storage.memory.settling import new_turn


def edit(row: Row | None, change: Change, *, who: str | None = None, now: float) -> EditResult:
    """Change a task that nothing holds."""
    if row is None:
        return EditResult(answer=EditAnswer.UNKNOWN)
    task = row.task
    has_ended, is_held = task.status in ENDED, row.lease is not None
    refusal = edits.refusal(change, is_held=is_held, has_ended=has_ended, attempt=task.attempt)
    if refusal is not None:
        return EditResult(answer=refusal)
    current = Change(**{name: getattr(task, name) for name in Change.__struct_fields__})
    if changed := edits.new_values(change, current):
        row.edits.append(Edit(at=now, before=edits.old_values(changed, current), who=who))
        row.task = replace(task, **changed)
        row.turn = row.turn if row.turn == turns.AGAIN else new_turn(row)
    if "run_at" in changed:
        status = edits.status_at(task.status, run_at=row.task.run_at, now=now)
        row.task = replace(row.task, status=status)
    return EditResult(answer=EditAnswer.EDITED, changed=tuple(changed))

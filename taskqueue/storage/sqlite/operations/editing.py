"""What the verb `edit` does inside a transaction."""

import msgspec
from msgspec.structs import astuple, replace

from taskqueue.rules import edits
from taskqueue.rules.edits import MAX_EDITS, Change, EditAnswer, EditResult
from taskqueue.rules.tasks import Edit, Status
from taskqueue.storage import task_rows
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.sql import statements


def edit(
    tx: Transaction, task_id: str, change: Change, *, who: str | None = None, now: float
) -> EditResult:
    """Change a task that nothing holds."""
    found = tx.db.execute(statements.TO_EDIT, (task_id,)).fetchone()
    if found is None:
        return EditResult(answer=EditAnswer.UNKNOWN)
    seq, status, is_held, has_ended, attempt, history, limits, group, *values = found
    refusal = edits.refusal(change, is_held=is_held, has_ended=has_ended, attempt=attempt)
    if refusal is not None:
        return EditResult(answer=refusal)
    current = Change(**dict(zip(Change.__struct_fields__, values, strict=True)))
    if changed := edits.new_values(change, current):
        line = Edit(at=now, before=edits.old_values(changed, current), who=who)
        edited = replace(current, **changed)
        after = _write(tx, seq, Status(status), edited, (*task_rows.edits(history), line))
        tx.moved(status, after)
        tx.member_moved(group, status, after, now=now)
        tx.gates.let_go(limits, now=now)
    return EditResult(answer=EditAnswer.EDITED, changed=tuple(changed))


def _write(
    tx: Transaction, seq: int, status: Status, values: Change, history: tuple[Edit, ...]
) -> Status:
    """Write the values and the history; return the status that the task has now."""
    after = status
    if "run_at" in history[-1].before and values.run_at is not None:
        after = edits.status_at(status, run_at=values.run_at, now=history[-1].at)
    text = msgspec.json.encode(history[-MAX_EDITS:]).decode()
    tx.db.execute(statements.EDIT, (*astuple(values), after, text, seq))
    return after

"""What other programs change through the file, each change with its entry in the audit trail.

The entry is part of the same transaction. It names the user of the operating system, and the call
that would do the same over HTTP.
"""

import os
import pwd
from collections.abc import Sequence
from urllib.parse import quote

from taskqueue.ids import new_id
from taskqueue.rules.access import Role, Token
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.tasks import CancelAnswer, CancelResult
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations import administration, audit, tokens

REMOTE = "file"
COMMAND = "CLI"
"""The method of what no call does, but a command: its path is the command."""

_CANCELLED = {CancelAnswer.CANCELLED, CancelAnswer.REQUESTED}


def cancel(tx: Transaction, task_id: str, *, reason: str, now: float) -> CancelResult:
    """Cancel a task that waits; mark one that runs."""
    [result] = administration.cancel(tx, (task_id,), reason=reason, now=now)
    if result.answer in _CANCELLED:
        status = 200 if result.answer is CancelAnswer.CANCELLED else 202
        _record(tx, Role.ENQUEUE, "POST", f"/tasks/{task_id}/cancel", status, now=now)
    return result


def redrive(tx: Transaction, task_id: str, *, now: float) -> bool:
    """Queue a task again if it is dead; return whether it was."""
    if not administration.redrive(tx, (task_id,), now=now):
        return False
    _record(tx, Role.ENQUEUE, "POST", f"/tasks/{task_id}/redrive", 202, now=now)
    return True


def cancel_members(
    tx: Transaction, *, group: str, task_ids: Sequence[str], reason: str, now: float
) -> int:
    """Cancel members of a group; return how many have ended or are marked."""
    results = administration.cancel(tx, task_ids, reason=reason, now=now)
    _record(tx, Role.ENQUEUE, "POST", f"/groups/{quote(group, safe='')}/cancel", 200, now=now)
    return sum(result.answer in _CANCELLED for result in results)


def redrive_members(
    tx: Transaction, *, group: str, task_ids: Sequence[str], reason: str, now: float
) -> int:
    """Queue members of a group again that are dead; return how many were."""
    redriven = administration.redrive(tx, task_ids, now=now)
    _record(tx, Role.ENQUEUE, "POST", f"/groups/{quote(group, safe='')}/redrive", 200, now=now)
    return len(redriven)


def delete(tx: Transaction, task_id: str, *, now: float) -> bool:
    """Delete a task if it has ended; return whether it had."""
    if not administration.delete(tx, (task_id,)):
        return False
    _record(tx, Role.ADMIN, "DELETE", f"/tasks/{task_id}", 204, now=now)
    return True


def pause(tx: Transaction, queue: str, *, now: float) -> None:
    """Pause a queue."""
    administration.pause(tx, queue, now=now)
    _record(tx, Role.ADMIN, "POST", f"/queues/{quote(queue, safe='')}/pause", 200, now=now)


def resume(tx: Transaction, queue: str, *, now: float) -> None:
    """Resume a queue."""
    administration.resume(tx, queue)
    _record(tx, Role.ADMIN, "POST", f"/queues/{quote(queue, safe='')}/resume", 200, now=now)


def add_token(tx: Transaction, token: Token) -> bool:
    """Insert a token; False if its name is taken."""
    if not tokens.add(tx, token):
        return False
    command = f"tokens new --role {token.role} --name {token.name}"
    _record(tx, Role.ADMIN, COMMAND, command, 200, now=token.created_at)
    return True


def revoke_token(tx: Transaction, name: str, *, now: float) -> bool:
    """Delete a token; False if there is none of this name."""
    if not tokens.revoke(tx, name):
        return False
    _record(tx, Role.ADMIN, COMMAND, f"tokens revoke {name}", 200, now=now)
    return True


def _record(
    tx: Transaction, role: Role, method: str, path: str, status: int, *, now: float
) -> None:
    change = AuditedChange(
        id=new_id(),
        at=now,
        role=role,
        who=_this_user(),
        remote=REMOTE,
        method=method,
        path=path,
        status=status,
    )
    audit.record(tx, (change,))


def _this_user() -> str:
    user = os.geteuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # as in many containers
        return str(user)

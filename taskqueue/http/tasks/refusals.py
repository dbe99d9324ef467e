"""The answers to tasks that were not accepted: another has their key, or a group is closed."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from taskqueue.errors import Fault
from taskqueue.http.problems import Problem
from taskqueue.http.tasks import requests
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask
from taskqueue.rules.uniqueness import shown_key

KEY_TAKEN = "unique key taken"
GROUP_CLOSED = "group is closed"
_REFUSED = {
    Acceptance.CONFLICT: (HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency key reused"),
    Acceptance.REJECTED: (HTTPStatus.CONFLICT, KEY_TAKEN),
    Acceptance.CLOSED: (HTTPStatus.CONFLICT, GROUP_CLOSED),
}
_TOO_LATE = "closed: it takes no more tasks; enqueue before the close, or into another group"


def refuse_one(task: NewTask, accepted: Accepted) -> None:
    """Refuse a request whose task was not accepted.

    Raises:
        Problem: 422, its key belongs to a different request; 409, its key is held by a task that
            stays as it is, or its group is closed.
    """
    if accepted.acceptance in _REFUSED:
        raise _refusal((task,), {0: accepted}, [_fault(accepted)])


def refuse_several(tasks: Sequence[NewTask], answers: Sequence[Accepted]) -> None:
    """Refuse a request of which some tasks were not accepted.

    Raises:
        Problem: 422 or 409, as `refuse_one` does.
    """
    queued = sum(accepted.acceptance is Acceptance.ACCEPTED for accepted in answers)
    for acceptance in _REFUSED:
        refused = {
            index: accepted
            for index, accepted in enumerate(answers)
            if accepted.acceptance is acceptance
        }
        if refused:
            faults = [
                fault
                for index, accepted in refused.items()
                for fault in requests.indexed(index, (_fault(accepted),))
            ]
            because = "" if acceptance is Acceptance.CLOSED else ", because their keys were free"
            detail = f"Tasks of this list that were queued{because}: {queued}."
            raise _refusal(tasks, refused, faults, detail)


def _refusal(
    tasks: Sequence[NewTask],
    refused: Mapping[int, Accepted],
    faults: Sequence[Fault],
    detail: str | None = None,
) -> Problem:
    """Return the problem of tasks that were refused for the same reason, by their places."""
    [acceptance] = {accepted.acceptance for accepted in refused.values()}
    status, error = _REFUSED[acceptance]
    if acceptance is Acceptance.CLOSED:
        groups = sorted({str(tasks[index].group) for index in refused})
        return Problem(status, error, detail, faults=faults, groups=groups)
    conflicts = {
        shown_key(str(tasks[index].unique_key)): accepted.id for index, accepted in refused.items()
    }
    return Problem(status, error, detail, faults=faults, conflicts=conflicts)


def _fault(accepted: Accepted) -> Fault:
    match accepted.acceptance:
        case Acceptance.CLOSED:
            return Fault("group", _TOO_LATE)
        case Acceptance.REJECTED:
            return Fault("unique_key", f"is held by task {accepted.id}, which stays as it is")
        case _:
            return Fault(
                "unique_key", f"belongs to task {accepted.id}, whose request was different"
            )

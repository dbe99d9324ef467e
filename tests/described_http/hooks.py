"""What schemathesis loads beside its configuration.

Limits on what a request may cost, and the rules that the document has in words only: without these
a request that fits its schema could be refused.
"""

from typing import Any
from uuid import UUID

import schemathesis
from schemathesis import Case, HookContext

MOST_CONSUMERS = 4  # each is a thread
NIL = UUID(int=0)  # no task has it

_KEY = "Idempotency-Key"
_KEYS = ("unique_key", "idempotency_key")
_CHOICES = ("unique_by", "unique_scope", "unique_until", "on_repeat", "latest_s")
_CHANGING_ALL = {"/tasks/cancel", "/tasks/redrive", "/tasks/delete", "/tasks/run-now"}
_PLANNING = {"POST /schedules", "PUT /schedules/{name}", "PATCH /schedules/{name}"}
_CLOSING = "POST /groups/{group}/close"
_NO_FILTER = {"all", "dry_run", "cursor", "reason"}

_used: set[str] = set()


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Ask for a few consumers only, where the number is allowed."""
    is_resize = context.operation.path == "/supervision/consumers"
    if is_resize and isinstance(body, dict) and body.get("count") in range(1025):
        return {**body, "count": min(body["count"], MOST_CONSUMERS)}
    return body


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Keep requests that fit their schemas to the other rules; leave those that do not."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    _name_a_task(case)
    if case.operation.path in _CHANGING_ALL:
        _mean_all(case)
    elif case.operation.label in _PLANNING:
        _plan_soundly(case)
    elif case.operation.label == _CLOSING:
        _join_no_other_group(case)
    elif _KEY in case.headers or case.operation.label == "POST /tasks":
        _use_keys_once(case)


def _name_a_task(case: Case) -> None:
    """Replace what a link between calls has filled in as the id of a task, and which is none."""
    task_id = case.path_parameters.get("id")
    try:
        UUID(task_id or str(NIL))
    except ValueError:
        case.path_parameters["id"] = str(NIL)


def _mean_all(case: Case) -> None:
    """Say that all tasks are meant, where no filter is given."""
    if not case.query.keys() - _NO_FILTER:
        case.query = {**case.query, "all": "true"}


def _plan_soundly(case: Case) -> None:
    """Name the action that may be scheduled, and say once when it runs, in a zone that there is."""
    if isinstance(case.body, dict):
        _drop(case.body, ("cron", "every_s", "timezone"))
        case.body |= {"action": "report", "cron": "0 3 * * *"}


def _join_no_other_group(case: Case) -> None:
    """Drop the groups of tasks that are those of the group in the path, and keys used before."""
    if not isinstance(case.body, dict):
        return
    tasks = [*(case.body.get("tasks") or ()), case.body.get("then")]
    for task in filter(None, tasks):
        _drop(task, ("group", "unique_key", *_CHOICES))


def _use_keys_once(case: Case) -> None:
    """Drop keys that another request has had, and those of the body where there is a header.

    Choices about keys go together by rules in words, so these are dropped as well.
    """
    tasks = case.body if isinstance(case.body, list) else [case.body]
    tasks = [task for task in tasks if isinstance(task, dict)]
    for task in tasks:
        _drop(task, _CHOICES)
    in_body = [task[name] for task in tasks for name in _KEYS if task.get(name) is not None]
    in_header = case.headers.get(_KEY)
    if in_header in _used:
        del case.headers[_KEY]
    if in_header is not None or len({*in_body} - _used) < len(in_body):
        for task in tasks:
            _drop(task, _KEYS)
    _used.update(in_body if in_header is None else [in_header])


def _drop(task: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        task.pop(name, None)
